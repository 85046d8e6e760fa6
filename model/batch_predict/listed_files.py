"""The files that a list names: their bytes, and what tells afterwards that each was read as it was digested."""

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from model.batch_predict.blocks import read_blocks
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.batch_predict.settings import LONGEST_LINE
from model.gcs import SCHEME
from model.gcs import stat as stat_object
from model.instances import WHITESPACE

LINES_SIZE = 64 << 10  # bytes of the list that are read at once; what they name is read as it is needed
AHEAD = 8  # files that are read at one time: most of it is waiting
NOTHING = b"none"  # the identity of what cannot be read
MARK_BITS = (1 << 63) - 1  # sums of marks fit into 64 bits, wherever they are written down


class Listed(NamedTuple):
    """What a name came to: bytes, or code and message; and a number that stands for name and content."""

    content: bytes | tuple[str, str]
    mark: int = 0


class Contents(NamedTuple):
    """What all files of a list hold: their digest in its order, and the sum of their marks, which knows no order."""

    digest: str
    marks: int


def read_listed(name: bytes, file: InputFile) -> Listed:
    """Return what a line of the list names.

    Raises:
        OSError: it cannot be read now, and may be later; no fault of the instance.
    """
    if not name:
        return Listed(b"")
    content, identity = _content(name, file)
    return Listed(content, _mark(name, identity))


def digest_listed(file: InputFile) -> Contents:
    """Digest what the files hold that a list names; objects go by their checksum.

    Raises:
        OSError: one cannot be read now, and may be later.
    """
    digest, marks = hashlib.sha256(), 0
    with ThreadPoolExecutor(AHEAD) as pool:
        for block in read_blocks(file, Range(0, 0, 0, None), None, LINES_SIZE):
            lines = [line.strip(WHITESPACE) for line in block.lines]
            torn = len(lines) - 1 if block.last_line_fault else -1  # no worker reads what half a name names
            found = pool.map(lambda name: _identity(name, file) if name else b"", lines)
            marks = 0 if block.voids else marks
            for at, (name, identity) in enumerate(zip(lines, found, strict=True)):
                if name:
                    digest.update(identity + b"\n")
                    marks += _mark(name, identity) if at != torn else 0
    return Contents(digest.hexdigest(), marks & MARK_BITS)


def _mark(name: bytes, identity: bytes) -> int:
    return int.from_bytes(hashlib.sha256(name + b"\0" + identity).digest()[:7])


def _content(name: bytes, file: InputFile) -> tuple[bytes | tuple[str, str], bytes]:
    """Return a file's bytes, or code and message; and its identity, as `_identity` has it."""
    try:
        text = name.decode()
        place = _place(file, text)
        return _read(place, text) if isinstance(place, Path) else _read_object(place, text)
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the name (0x{name[error.start]:02x}) is not UTF-8"
        return ("INVALID_UTF8", message), NOTHING
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        code = "FILE_NOT_FOUND" if missing else "UNREADABLE_FILE"
        return (code, f"{text!r} cannot be read: {reason}"), NOTHING


def _identity(name: bytes, file: InputFile) -> bytes:
    try:
        place = _place(file, name.decode())
        return _digest(place) if isinstance(place, Path) else stat_object(place).crc32c.encode()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise
        return NOTHING


def _digest(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
        kind = os.fstat(descriptor)
        if not stat.S_ISREG(kind.st_mode):
            return NOTHING
        return hashlib.file_digest(file, "sha256").digest() if kind.st_size <= LONGEST_LINE else _size(kind.st_size)


def _place(file: InputFile, name: str) -> Path | str:
    """Return where a named file lies: where its name says, seen from the list, or in the one folder open to lists."""
    if file.listed is not None:
        return file.listed / hashlib.sha256(name.encode()).hexdigest()
    if name.startswith(SCHEME):
        return name
    return f"{file.name.rpartition('/')[0]}/{name}" if file.name.startswith(SCHEME) else file.path.parent / name


def _read_object(uri: str, name: str) -> tuple[bytes | tuple[str, str], bytes]:
    found = stat_object(uri)
    content = found.read() if found.size <= LONGEST_LINE else _too_large(name, found.size)
    return content, found.crc32c.encode()


def _read(path: Path, name: str) -> tuple[bytes | tuple[str, str], bytes]:
    """Return a regular file's bytes and identity: a pipe or a device would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
        kind = os.fstat(descriptor)
        if not stat.S_ISREG(kind.st_mode):
            return ("UNREADABLE_FILE", f"{name!r} is no regular file"), NOTHING
        if kind.st_size > LONGEST_LINE:
            return _too_large(name, kind.st_size), _size(kind.st_size)
        content = file.read()
        return content, hashlib.sha256(content).digest()


def _too_large(name: str, size: int) -> tuple[str, str]:
    return "FILE_TOO_LARGE", f"{name!r} has {size:,} bytes: at most {LONGEST_LINE:,} are read"


def _size(size: int) -> bytes:
    """Return the identity of a file that is not read."""
    return f"{size} bytes".encode()
