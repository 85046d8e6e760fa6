"""Bytes on disk: what an upload's bytes are written to, checked by, and kept as.

A blob is a plain file with a number for a name, below `objects/`: object names never become paths. It is written under
`objects/uploads/`, linked to its place, and only then named by a row of the catalog. Like the catalog it survives the
process's end at any moment; a power cut may lose the last seconds, which the next start notices by the sizes.
"""

import base64
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import google_crc32c

from infra.emulator.disk import check_room

MOST_PIECES = 1000  # that one system call writes
PIECE = 1 << 20  # bytes read, hashed and written at a time: large enough that thread switches cost nothing


@dataclass(frozen=True)
class Sums:
    """A content's checksums as the service writes them, in base64; composed objects have no MD5."""

    md5: str
    crc32c: str


@dataclass(frozen=True)
class Blob:
    """A finished file in its place: its key names it in the catalog."""

    key: str
    path: Path
    size: int
    sums: Sums


@dataclass
class Checksums:
    """Google's checksums over the bytes seen so far; what is joined of parts goes without MD5, which costs the most."""

    size: int = 0
    md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    crc32c: Any = field(default_factory=google_crc32c.Checksum)

    def update(self, data: bytes) -> None:
        """Add bytes."""
        if self.md5:
            self.md5.update(data)
        self.crc32c.update(data)
        self.size += len(data)

    def sums(self) -> Sums:
        """Return them in base64."""
        md5 = self.md5.digest() if self.md5 else b""
        return Sums(base64.b64encode(md5).decode(), base64.b64encode(self.crc32c.digest()).decode())


@dataclass
class BlobWriter:
    """A blob being written: bytes go to a temporary file and through the checksums."""

    path: Path
    checksums: Checksums
    file: IO[bytes]

    def write(self, *pieces: bytes) -> None:
        """Append pieces, at most MOST_PIECES; they are in the file, and so survive the process, when this returns."""
        check_room()
        if os.writev(self.file.fileno(), pieces) < sum(map(len, pieces)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for data in pieces:
            self.checksums.update(data)

    def discard(self) -> None:
        """Close the file and remove it."""
        self.file.close()
        self.path.unlink(missing_ok=True)


def new_key() -> str:
    """Make a name for a blob or an upload that is never given twice."""
    return secrets.token_hex(16)


def upload_path(state: Path, name: str) -> Path:
    """Return where an upload's bytes stand until it is finished."""
    return state / "objects" / "uploads" / name


def blob_path(state: Path, key: str) -> Path:
    """Return where a finished blob stands."""
    return state / "objects" / key[:2] / key


def open_writer(state: Path, name: str = "", checksums: Checksums | None = None) -> BlobWriter:
    """Open an upload's file for appending; `checksums` continue those of the bytes that it holds already."""
    path = upload_path(state, name or new_key())
    path.parent.mkdir(parents=True, exist_ok=True)
    return BlobWriter(path, checksums or Checksums(), path.open("ab", buffering=0))


def publish(state: Path, writer: BlobWriter) -> Blob:
    """Link a written upload to a blob's place; the upload's own name stays until the caller removes it."""
    writer.file.close()
    return link_blob(state, writer.path, writer.checksums)


def link_blob(state: Path, source: Path, checksums: Checksums) -> Blob:
    """Make a blob of a finished file: a hard link, or a copy where the file stands on another disk."""
    key = new_key()
    path = blob_path(state, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        _copy(source, path)
    return Blob(key, path, checksums.size, checksums.sums())


def checksums_of(path: Path) -> Checksums:
    """Compute the checksums of a file that is there already."""
    checksums = Checksums()
    with path.open("rb") as file:
        for data in pieces(file):
            checksums.update(data)
    return checksums


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file to its end, a piece at a time."""
    while data := file.read(PIECE):
        yield data


def sweep(state: Path, is_blob: Callable[[str], bool], is_upload: Callable[[str], bool]) -> None:
    """Remove what a crash left: blobs that no object names, files of uploads that nobody can continue."""
    folder = state / "objects"
    for path in folder.glob("*/*"):
        known = is_upload if path.parent.name == "uploads" else is_blob
        if not known(path.name):
            path.unlink(missing_ok=True)


def _copy(source: Path, path: Path) -> None:
    temporary = path.with_name(path.name + ".partial")
    shutil.copyfile(source, temporary)
    temporary.rename(path)
