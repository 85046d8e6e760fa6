"""A moment without requests: new ones wait at the door, those under way end or are broken off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.emulator.errors import failed_precondition

PATIENCE, LAST = 5.0, 20.0  # seconds until who still sends or reads is broken off, and until we give up
POLL = 0.01


class Gate:
    """The door of the server, and the requests that are inside."""

    def __init__(self) -> None:
        self.inside: set[asyncio.Task[object]] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def enter(self) -> bool:
        """Wait until the door is open, and go in; False for what is part of a request inside (a batch)."""
        if _task() in self.inside:
            return False
        while not self._open.is_set():
            await self._open.wait()
        self.inside.add(_task())
        return True

    def leave(self) -> None:
        """Go out."""
        self.inside.discard(_task())

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Hold the door closed while only the current request is inside; raises ApiError where others do not end."""
        if not self._open.is_set():
            raise failed_precondition("Another restore or reset is under way. Wait for its end.")
        self._open.clear()
        try:
            if not await self._alone(PATIENCE):
                for task in self.inside - {_task()}:  # whoever sends or reads slowly must not hold this up
                    task.cancel()
                if not await self._alone(LAST):
                    raise failed_precondition(f"{len(self.inside) - 1} requests do not end. Nothing was changed.")
            yield
        finally:
            self._open.set()

    async def _alone(self, seconds: float) -> bool:
        end = asyncio.get_running_loop().time() + seconds
        while self.inside - {_task()} and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(POLL)
        return not self.inside - {_task()}


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        msg = "The gate is for requests, which are tasks."
        raise RuntimeError(msg)
    return task
