"""`/_local/…`: what a developer does to the local cloud itself, and no Google has: faults, the clock."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.emulator import clock
from infra.emulator.bodies import read_body
from infra.emulator.calls import Cloud
from infra.emulator.dispatch import json_response, refusal
from infra.emulator.errors import ApiError, invalid
from infra.emulator.faults import KINDS
from infra.emulator.resources import Json
from infra.emulator.unforeseen import unforeseen

Action = Callable[[Cloud, Json, dict[str, str]], Any]


def endpoint(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of a function from cloud, JSON body and path parameters to JSON; refusals in Google's form."""

    async def answered(request: Request) -> Response:
        try:
            body = parsed(await read_body(request.receive, request.headers))
            done = await run_in_threadpool(action, request.app.state.cloud, body, request.path_params)
            return json_response(done)
        except ApiError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            return refusal(unforeseen(error, f"{request.method} {request.url.path}"))

    return answered


def parsed(body: bytes) -> Json:
    """Read an object, empty where there is no body; raises ApiError 400."""
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise invalid(f"The body is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise invalid("The body must be a JSON object.")
    return found


def only(body: Json, *names: str) -> None:
    """Raise ApiError 400 where a body has other fields."""
    if unknown := sorted(set(body) - set(names)):
        raise invalid(f"Unknown field {unknown[0]!r}; there are: {', '.join(names) or 'none'}.", field_path=unknown[0])


def list_faults(cloud: Cloud, _: Json, __: dict[str, str]) -> Json:
    """Return the faults that are active, and the kinds there are."""
    return {"faults": [one.shown() for one in cloud.faults.active], "kinds": KINDS}


def add_fault(cloud: Cloud, body: Json, _: dict[str, str]) -> Json:
    """Add a fault."""
    return cloud.faults.add(cloud.resources, body)


def clear_faults(cloud: Cloud, _: Json, path: dict[str, str]) -> Json:
    """Remove one fault, or all; return what they did."""
    return {"cleared": cloud.faults.clear(cloud.resources, path.get("fault", ""))}


def read_clock(cloud: Cloud, _: Json, __: dict[str, str]) -> Json:
    """Return the local cloud's time, and how far it is ahead of the machine's."""
    return {"time": cloud.now(), "aheadSeconds": clock.offset(cloud.resources).total_seconds()}


def move_clock(cloud: Cloud, body: Json, _: dict[str, str]) -> Json:
    """Move the clock: on by `advanceSeconds`, to `time` (RFC 3339), or back to the machine's with neither."""
    only(body, "advanceSeconds", "time")
    if len(body) == 2:
        raise invalid("Either advanceSeconds or time, not both.")
    if "time" in body:
        clock.set_time(cloud, _moment(body["time"]))
    elif "advanceSeconds" in body:
        clock.advance(cloud, _duration(body["advanceSeconds"]))
    else:
        clock.move(cloud, timedelta())
    return read_clock(cloud, {}, {})


def _moment(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise invalid(f"time is {value!r}; wanted: RFC 3339, as 2026-01-31T12:00:00Z.", field_path="time") from None


def _duration(value: Any) -> timedelta:
    try:
        return timedelta(seconds=float("nan") if isinstance(value, bool) else value)  # a truth value is no number
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"advanceSeconds is {value!r}; wanted: a number.", field_path="advanceSeconds") from None


ROUTES = [
    Route("/_local/faults", endpoint(list_faults), methods=["GET"]),
    Route("/_local/faults", endpoint(add_fault), methods=["POST"]),
    Route("/_local/faults", endpoint(clear_faults), methods=["DELETE"]),
    Route("/_local/faults/{fault}", endpoint(clear_faults), methods=["DELETE"]),
    Route("/_local/clock", endpoint(read_clock), methods=["GET"]),
    Route("/_local/clock", endpoint(move_clock), methods=["POST"]),
]
