"""How far a long reading or writing is, for people at a terminal; where standard error is piped, nothing is said."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
SECONDS = 5.0  # between two lines


def told(items: Iterable[Item], what: str, total: int = 0) -> Iterable[Item]:
    """Return items, and say now and then how many have gone by; `total` is how many come, where that is known."""
    return _telling(items, what, total) if sys.stderr.isatty() else items


def _telling(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    started = last = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - last >= SECONDS:
            last = now
            print(line_of(what, number, total, now - started), file=sys.stderr, flush=True)
        yield item


def line_of(what: str, number: int, total: int, seconds: float) -> str:
    """Say how many of something have gone by in so many seconds."""
    rate = number / seconds
    text = f"{what}: {number:,}{f' of {total:,}' if total else ''}, {rate:,.{0 if rate >= 10 else 1}f} a second"
    return f"{text}, {(total - number) / rate:,.0f} s left" if total and rate else text
