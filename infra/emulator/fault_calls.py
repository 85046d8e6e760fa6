"""The faults that strike calls: late answers, refusals, a disk that is full."""

import asyncio

from infra.emulator.errors import ApiError
from infra.emulator.exchange import Exchange
from infra.emulator.faults import Faults

REASONS = {401: "authError", 403: "forbidden", 404: "notFound", 408: "requestTimeout", 429: "rateLimitExceeded"}


async def strike(faults: Faults, exchange: Exchange, method: str) -> ApiError | None:
    """Let a call wait where it is to be late; return the refusal that it is to get, if any."""
    for fault, _ in faults.strike("latency", method):
        await asyncio.sleep(fault.seconds)
    exchange.disk_full = bool(list(faults.strike("fullDisk", method)))
    for fault, _ in faults.strike("error", method):
        message = fault.message or f"A fault that was asked for: {fault.code} in {method or 'any call'}."
        first = method.startswith(("storage.", "compute."))
        reason = REASONS.get(fault.code, "backendError" if fault.code >= 500 else "invalid")
        return ApiError(fault.code, message, reason=reason if first else "")
    return None
