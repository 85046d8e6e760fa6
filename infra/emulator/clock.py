"""The local cloud's time: the machine's own, until a test moves it.

The offset is a row of the state, so that it outlives a restart. What acts by time (lifecycle rules, retention, soft
delete, signed addresses) asks here, and what waits for a time registers with `on_move`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.emulator.errors import invalid
from infra.emulator.resources import Resources

if TYPE_CHECKING:
    from infra.emulator.calls import Cloud  # which itself asks here what time it is

KIND, NAME = "local.clock", "offset"
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

MOVE_HOOKS: list[Callable[[Cloud], None]] = []


def now(resources: Resources) -> datetime:
    """Return the local cloud's time, in UTC."""
    return datetime.now(UTC) + offset(resources)


def offset(resources: Resources) -> timedelta:
    """Return how far the local cloud's clock is ahead of the machine's (negative: behind)."""
    kept = resources.get(KIND, NAME)
    return timedelta(seconds=float(kept["seconds"])) if kept else timedelta()


def move(cloud: Cloud, ahead: timedelta) -> datetime:
    """Set the clock this far ahead of the machine's, run what became due, and return the new time.

    Zero sets it right again.

    Raises:
        ApiError: 400, the time would be outside of the years 1970 to 8999.
    """
    try:
        sound = FIRST <= datetime.now(UTC) + ahead < LAST
    except OverflowError:
        sound = False
    if not sound:
        msg = f"The clock cannot be {ahead} from now: it runs from 1970 to 8999."
        raise invalid(msg)
    cloud.resources.put(KIND, NAME, {"seconds": ahead.total_seconds()})
    for hook in MOVE_HOOKS:
        hook(cloud)
    return now(cloud.resources)


def advance(cloud: Cloud, by: timedelta) -> datetime:
    """Move the clock on from where it stands (back, where `by` is negative)."""
    return move(cloud, offset(cloud.resources) + by)


def set_time(cloud: Cloud, moment: datetime) -> datetime:
    """Set the clock to a time, from which it runs on; one without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return move(cloud, aware - datetime.now(UTC))


def text(moment: datetime) -> str:
    """Write a time as Google does: RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def on_move(hook: Callable[[Cloud], None]) -> Callable[[Cloud], None]:
    """Register a function that is called whenever the clock was moved."""
    MOVE_HOOKS.append(hook)
    return hook
