"""The local cloud's request log as people read it: a table of its last lines, and of those that come."""

import os
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

LINE = re.compile(r"(\S+) ([0-9a-f]{12}) ([A-Z]+) (\S+) (\d+) ([\d.]+)ms (\S+) ?(.*)")
POLL_SECONDS = 0.2
TAIL_BYTES = 1 << 20  # of the file's end are looked through for the last lines


@dataclass(frozen=True)
class Request:
    """A request and its answer."""

    time: str
    id: str
    verb: str
    address: str
    status: int
    milliseconds: float
    method: str  # discovery id; empty where the request means none
    message: str  # why it was refused

    def line(self) -> str:
        """Write it for people: when, how it ended, how long it took, what it was, and why it was refused."""
        clock = self.time.partition("T")[2].removesuffix("Z")
        what = f"{self.method}  {self.address}" if self.method else f"{self.verb} {self.address}"
        reason = f"\n{'':14}{self.message}" if self.message else ""
        return f"{clock}  {self.status}  {self.milliseconds:8.1f} ms  {self.id}  {what}{reason}"

    def facts(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self)


def parse(line: str) -> Request | None:
    """Read a line of the log; None where it is none."""
    found = LINE.fullmatch(line)
    if not found:
        return None
    when, request, verb, address, status, milliseconds, method, message = found.groups()
    named = "" if method == "-" else method
    return Request(when, request, verb, address, int(status), float(milliseconds), named, message)


def matches(request: Request, wanted: str, *, errors: bool) -> bool:
    """Tell whether a request is one that is asked for: by a part of its id, method, address; refused ones only."""
    text = f"{request.id} {request.method} {request.verb} {request.address}"
    return wanted.lower() in text.lower() and (request.status >= 400 or not errors)


def last(path: Path, count: int, wanted: str = "", *, errors: bool = False) -> list[Request]:
    """Return the last requests that are asked for, oldest first."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    found = [request for line in lines if (request := parse(line)) and matches(request, wanted, errors=errors)]
    return found[-count:] if count else []


def follow(path: Path, wanted: str = "", *, errors: bool = False) -> Generator[Request, None, None]:
    """Yield requests as they come, for ever; goes on where the log becomes a new file or was not there yet."""
    for line in _lines(path):
        request = parse(line)
        if request and matches(request, wanted, errors=errors):
            yield request


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines that are added, also to the file that takes the log's place when it is full."""
    file, rest = _open(path, at_end=True), b""
    try:
        while True:
            replaced = file is None or _is_another(path, file)
            data = file.read() if file else b""  # after the question: what was written before is read
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
            if replaced:
                if file:
                    file.close()
                file, rest = _open(path), b""
            if not data:
                time.sleep(POLL_SECONDS)
    finally:
        if file:
            file.close()


def _open(path: Path, *, at_end: bool = False) -> IO[bytes] | None:
    if not path.exists():
        return None
    file = path.open("rb")
    file.seek(0, os.SEEK_END if at_end else os.SEEK_SET)
    return file


def _is_another(path: Path, file: IO[bytes]) -> bool:
    return not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino
