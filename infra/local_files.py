"""Files of this machine on their way to and from a bucket: checksums, safe places, errors in one line."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import google_crc32c

from infra.storage_client import StorageError

CHUNK = 1 << 20


def crc32c(path: Path) -> str:
    """Return a file's checksum as Cloud Storage writes it: CRC32C, big-endian, in base64."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            checksum = google_crc32c.extend(checksum, block)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def inside(folder: Path, uri: str, base: str) -> Path:
    """Return where an object below `base` lies in a folder.

    Raises:
        StorageError: its name would lead out of the folder, or is no path.
    """
    relative = uri.removeprefix(base)
    parts = relative.split("/")
    if PurePosixPath(relative).parts != tuple(parts) or {"..", "."} & set(parts) or "\0" in relative:
        msg = f"{uri!r} cannot be a file below {str(folder)!r}. Run: gcloud storage mv, to give it another name"
        raise StorageError(msg)
    return folder.joinpath(*parts)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says about reading a file into a StorageError."""
    try:
        yield
    except OSError as error:
        msg = f"Cannot read {str(path)!r}: {error.strerror}. Run: ls -l {path}"
        raise StorageError(msg) from None


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn what the system says about writing a file into a StorageError."""
    try:
        yield
    except OSError as error:
        msg = f"Cannot write {str(path)!r}: {error.strerror}. Run: ls -ld {path.parent}; df -h {path.parent}"
        raise StorageError(msg) from None
