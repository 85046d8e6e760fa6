"""The request log: a line for every request, in a file that keeps to its size.

`2026-01-31T12:00:00.123Z 9f86d081884c GET /storage/v1/b/x 404 1.9ms storage.buckets.get The bucket does not exist.`
"""

import os
import time
from pathlib import Path

from infra.emulator.exchange import Exchange
from infra.emulator.ports import UnavailableError

LARGEST = 32 << 20  # bytes; then the file becomes NAME.1 and a new one begins
LONGEST_PATH, LONGEST_MESSAGE = 2000, 500  # characters


class RequestLog:
    """A file to which one thread, the server's, appends lines; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path.resolve() if path else None
        self._file = -1
        self._size = 0
        self._second = (0, "")
        if self.path:
            self._open(self.path)

    def note(self, exchange: Exchange, verb: str, address: str, status: int, seconds: float) -> None:
        """Append a request's line."""
        if self.path is None:
            return
        words = (self._now(), exchange.id, verb, _shown(address, LONGEST_PATH), str(status), f"{1000 * seconds:.1f}ms")
        message = _shown(exchange.message, LONGEST_MESSAGE)
        line = " ".join(filter(None, (*words, exchange.method or "-", message))).encode(errors="replace") + b"\n"
        if self._size + len(line) > LARGEST:
            self._turn(self.path)
        try:
            self._size += os.write(self._file, line)
        except OSError:  # a full disk must not keep a request from its answer
            return

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second[0]:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int(1000 * (now - second)):03d}Z"

    def _turn(self, path: Path) -> None:
        os.close(self._file)
        path.replace(path.with_name(f"{path.name}.1"))
        self._open(path)

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._size = os.fstat(self._file).st_size
        except OSError as error:
            message = f"Cannot write the log {str(path)!r}: {error.strerror}. Choose another with --log"
            raise UnavailableError(message) from None


def _shown(text: str, longest: int) -> str:
    """Keep a text to one line of bounded length."""
    line = " ".join(text.splitlines()) if text else ""
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
