"""File lists -> blocks of `{"b64": …}` instances: every line names a file, whose bytes are the instance."""

import errno
import hashlib
import json
import os
import stat
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from model.batch_predict.blocks import Block, Position, read_blocks
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.batch_predict.settings import BLOCK_SIZE, LONGEST_LINE
from model.gcs import SCHEME
from model.gcs import stat as stat_object
from model.instances import WHITESPACE
from model.rejections import Rejection

LINES_SIZE = 64 << 10  # bytes of the list that are read at once; what they name is read as it is needed
AHEAD = 8  # files that are read at one time: most of it is waiting


@dataclass
class _Filling:
    """A block in the making: instances as sent and as echoed, and those that cannot be read."""

    lines: list[bytes] = field(default_factory=list)
    echoes: list[bytes] = field(default_factory=list)
    faults: list[Rejection] = field(default_factory=list)
    size: int = 0

    def add(self, name: bytes, content: bytes | tuple[str, str]) -> None:
        """Add what a line of the list came to."""
        echo = orjson.dumps(name.decode(errors="replace")) if name else b""
        if isinstance(content, tuple):
            self.faults.append(Rejection(len(self.lines), json.loads(echo), *content))
            content = b"-"
        self.lines.append(b'{"b64": "' + b64encode(content) + b'"}' if name else b"")
        self.echoes.append(echo)
        self.size += len(content)

    def block(self, end: int, size: int, before: int) -> Block:
        """Return the block of a part of a block of names."""
        echoes = self.echoes

        def find_key(at: int) -> str:
            key: str = json.loads(echoes[at])
            return key

        content = Block(self.lines, end, size, before, faults=self.faults, find_key=find_key)
        return replace(content, echoes=echoes)


def read_listed_blocks(file: InputFile, part: Range, since: Position | None = None) -> Iterator[Block]:
    """Yield the instances that a range of a list names, in blocks of a few megabytes of content.

    A file that cannot be read is a fault of its instance alone.
    """
    start = since.offset if since else 0
    for block in read_blocks(file, part, since, LINES_SIZE):
        yield from _filled(block, file, start if file.gzipped else block.end - block.size)
        start = block.end


def _filled(names: Block, file: InputFile, offset: int) -> Iterator[Block]:
    """Cut a block of names into blocks whose content fits in memory."""
    filling, taken, before = _Filling(), 0, names.first_line
    last = len(names.lines) - 1
    for at, (name, content) in enumerate(_contents(names, file)):
        filling.add(name, content)
        taken += len(names.lines[at]) + 1
        if filling.size >= BLOCK_SIZE and at < last:
            yield filling.block(offset + taken, 0 if file.gzipped else taken, before)
            before += len(filling.lines)
            filling, taken, offset = _Filling(), 0, offset + taken
    rest = filling.block(names.end, names.size if file.gzipped else names.end - offset, before)
    yield replace(rest, ends=names.ends, voids=names.voids)


def _contents(block: Block, file: InputFile) -> Iterator[tuple[bytes, bytes | tuple[str, str]]]:
    """Yield every named file's bytes in the names' order, or code and message; a few are read ahead."""
    names = [line.strip(WHITESPACE) for line in block.lines]
    whole = names if block.last_line_fault is None else names[:-1]
    with ThreadPoolExecutor(AHEAD) as pool:
        waiting: deque[tuple[bytes, Future[bytes | tuple[str, str]]]] = deque()
        for name in whole:
            waiting.append((name, pool.submit(_content, name, file)))
            if len(waiting) > AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        yield from ((name, future.result()) for name, future in waiting)
    if block.last_line_fault is not None:
        yield names[-1][:1024] or b"?", block.last_line_fault


def _content(name: bytes, file: InputFile) -> bytes | tuple[str, str]:
    if not name:
        return b""
    try:
        text = name.decode()
        place = _place(file, text)
        return _read(place, text) if isinstance(place, Path) else _read_object(place, text)
    except UnicodeDecodeError as error:
        return "INVALID_UTF8", f"byte {error.start + 1} of the name (0x{name[error.start]:02x}) is not UTF-8"
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise  # no fault of the instance: the run breaks off, and can be resumed
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        return "FILE_NOT_FOUND" if missing else "UNREADABLE_FILE", f"{text!r} cannot be read: {reason}"


def digest_listed(file: InputFile) -> str:
    """Return the SHA-256 over what the files hold that a list names, in its order; objects go by their checksum.

    Raises:
        OSError: one cannot be read now, and may be later.
    """
    digest = hashlib.sha256()
    with ThreadPoolExecutor(AHEAD) as pool:
        for block in read_blocks(file, Range(0, 0, 0, None), None, LINES_SIZE):
            names = (line.strip(WHITESPACE) for line in block.lines)
            for identity in pool.map(lambda name: _identity(name, file), filter(None, names)):
                digest.update(identity + b"\n")
    return digest.hexdigest()


def _identity(name: bytes, file: InputFile) -> bytes:
    try:
        place = _place(file, name.decode())
        return _digest(place) if isinstance(place, Path) else stat_object(place).crc32c.encode()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise
        return b"none"


def _digest(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return hashlib.file_digest(file, "sha256").digest() if regular else b"none"


def _place(file: InputFile, name: str) -> Path | str:
    """Return where a named file lies: where its name says, seen from the list, or in the one folder open to lists."""
    if file.listed is not None:
        return file.listed / hashlib.sha256(name.encode()).hexdigest()
    if name.startswith(SCHEME):
        return name
    return f"{file.name.rpartition('/')[0]}/{name}" if file.name.startswith(SCHEME) else file.path.parent / name


def _read_object(uri: str, name: str) -> bytes | tuple[str, str]:
    found = stat_object(uri)
    return found.read() if found.size <= LONGEST_LINE else _too_large(name, found.size)


def _read(path: Path, name: str) -> bytes | tuple[str, str]:
    """Return a regular file's bytes: a pipe or a device would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
        kind = os.fstat(descriptor)
        if not stat.S_ISREG(kind.st_mode):
            return "UNREADABLE_FILE", f"{name!r} is no regular file"
        return file.read() if kind.st_size <= LONGEST_LINE else _too_large(name, kind.st_size)


def _too_large(name: str, size: int) -> tuple[str, str]:
    return "FILE_TOO_LARGE", f"{name!r} has {size:,} bytes: at most {LONGEST_LINE:,} are read"
