"""Room on the disk: asked for before anything is written, told cleanly where there is none."""

import errno
import os
import sqlite3

from infra.emulator.errors import ApiError
from infra.emulator.exchange import current

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC})


def check_room() -> None:
    """Raise the system's own error where the current call is to find the disk full."""
    exchange = current()
    if exchange and exchange.disk_full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full(error: Exception) -> ApiError | None:
    """Return the refusal for a write that found no room; never with a status that clients repeat for minutes."""
    number = error.errno if isinstance(error, OSError) else getattr(error, "sqlite_errorcode", None)
    if number not in (FULL if isinstance(error, OSError) else SQLITE_FULL):
        return None
    why = os.strerror(number) if isinstance(error, OSError) and number else str(error)
    msg = f"The disk that holds the local cloud's state is full: {why}. Free some space, then repeat."
    return ApiError(403, msg, status="RESOURCE_EXHAUSTED", reason="quotaExceeded")
