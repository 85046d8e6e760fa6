"""One request on its way: its id, which stands in the answer and in the log, and what became known of it."""

import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field

from infra.emulator.callers import Caller


@dataclass
class Exchange:
    """A request and its answer, as the log tells them."""

    id: str = field(default_factory=lambda: secrets.token_hex(6))
    method: str = ""  # discovery id, where the request means one
    message: str = ""  # why it was refused
    creator: Caller | None = None  # whose right to create an object is checked when the object's name is known
    disk_full: bool = False  # a fault that was asked for: nothing can be written while this is answered


CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange | None:
    """Return the request that is being answered here; None outside of the server."""
    return CURRENT.get()


def note_method(method: str) -> None:
    """Note the discovery method that the current request means."""
    if exchange := CURRENT.get():
        exchange.method = method
