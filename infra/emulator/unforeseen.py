"""What no handler foresaw -> the answer: a full disk is told as such, all else is a fault of ours, and logged."""

import logging

from infra.emulator import disk
from infra.emulator.errors import ApiError, unimplemented

logger = logging.getLogger("infra.emulator")


def unforeseen(error: Exception, what: str) -> ApiError:
    """Make the refusal for an exception in `what` (verb and path): 501, for clients repeat 500 for minutes."""
    if refused := disk.full(error):
        return refused
    logger.error("%s failed", what, exc_info=error)
    said = f"{type(error).__name__} in the local cloud: {error}"
    return unimplemented(f"{said}. This is a fault of the local cloud; its log has the traceback.")
