"""gs:// objects: found by pattern, read by ranges, written by resumable uploads; Google's or an emulator's.

STORAGE_EMULATOR_HOST names an emulator; else the credentials are the environment's own (Application Default
Credentials), or the token in GOOGLE_OAUTH_ACCESS_TOKEN. Requests are tried again as google-cloud-storage does.
"""

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

SCHEME = "gs://"
RANGE = 4 << 20  # bytes that one request reads
UPLOAD_CHUNK = 16 << 20  # bytes after which a resumable upload is safe up to there
# HTTP's codes as a file system's
NUMBERS = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 412: errno.EEXIST}
SPECIAL = re.compile(r"[*?\[]")


class RemoteError(OSError):
    """What Cloud Storage answers in place of data, in one line; `filename` is the address."""


@dataclass(frozen=True)
class GcsObject:
    """One generation of an object: what is read is never half of it and half of its successor."""

    bucket: str
    name: str
    size: int
    generation: int
    crc32c: str

    @property
    def uri(self) -> str:
        """Its address."""
        return f"{SCHEME}{self.bucket}/{self.name}"

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a range of its bytes, as they are stored.

        Raises:
            RemoteError: it cannot be read, or this generation is gone.
        """
        stop = self.size if size is None else min(start + size, self.size)
        if start >= stop:
            return b""
        with told_of(self.uri):
            blob = _client(os.getpid()).bucket(self.bucket).blob(self.name, generation=self.generation)
            data: bytes = blob.download_as_bytes(start=start, end=stop - 1, raw_download=True, checksum=None)
            return data

    def open(self) -> BinaryIO:
        """Open it for reading, from its start or anywhere."""
        return cast(BinaryIO, io.BufferedReader(_Ranges(self), 1 << 17))


class _Ranges(io.RawIOBase):
    """An object as a file: one range after the other, as they are needed."""

    def __init__(self, source: GcsObject) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self._held = (0, b"")  # where a range begins, and its bytes

    def readable(self) -> bool:
        """Say yes, as buffered readers ask."""
        return True

    def seekable(self) -> bool:
        """Say yes: a range begins anywhere."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Choose where to read on."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return where it reads on."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as one range goes."""
        start, data = self._held
        at = self._position - start
        if not 0 <= at < len(data):
            data = self._source.read(self._position, RANGE)
            self._held, at = (self._position, data), 0
        part = data[at : at + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


def split(uri: str) -> tuple[str, str]:
    """Return bucket and name of an address."""
    bucket, _, name = uri.removeprefix(SCHEME).partition("/")
    return bucket, name


def find(pattern: str) -> list[GcsObject]:
    """Return the objects that an address names: itself, all below a folder, or what matches `*`, `**`, `?`, `[…]`."""
    bucket, name = split(pattern)
    special = SPECIAL.search(name)
    prefix = name[: special.start()] if special else name
    matches = _translated(name) if special else re.compile(rf"{re.escape(name)}(/.*)?" if name else ".*", re.DOTALL)
    return [item for item in under(f"{SCHEME}{bucket}/{prefix}") if matches.fullmatch(item.name)]


def stat(uri: str) -> GcsObject:
    """Return the object at an address.

    Raises:
        RemoteError: there is none (ENOENT), it may not be read (EACCES), or there is no answer (EIO).
    """
    bucket, name = split(uri)
    with told_of(uri):
        blob = _client(os.getpid()).bucket(bucket).blob(name)
        blob.reload()
        return GcsObject(bucket, name, blob.size, blob.generation, blob.crc32c)


def under(uri: str) -> list[GcsObject]:
    """Return the objects whose addresses begin so, by name; markers of folders are none."""
    bucket, prefix = split(uri)
    with told_of(uri):
        blobs = _client(os.getpid()).list_blobs(bucket, prefix=prefix)
        found = [GcsObject(bucket, blob.name, blob.size, blob.generation, blob.crc32c) for blob in blobs]
    return sorted((item for item in found if not item.name.endswith("/")), key=lambda item: item.name)


def upload(path: Path, uri: str, *, new: bool = False) -> None:
    """Write a file to an object, in chunks; the object is there when it is whole. `new`: none may be there yet."""
    bucket, name = split(uri)
    with told_of(uri):
        blob = _client(os.getpid()).bucket(bucket).blob(name, chunk_size=UPLOAD_CHUNK)
        blob.upload_from_filename(str(path), checksum="crc32c", retry=_retry(), if_generation_match=0 if new else None)


def download(item: GcsObject, path: Path) -> None:
    """Write an object to a file, its checksum verified."""
    with told_of(item.uri):
        blob = _client(os.getpid()).bucket(item.bucket).blob(item.name, generation=item.generation)
        blob.download_to_filename(str(path), checksum="crc32c")


def delete(item: GcsObject) -> None:
    """Delete a generation of an object; one that is gone is no mistake."""
    from google.api_core.exceptions import NotFound  # noqa: PLC0415

    with told_of(item.uri), suppress(NotFound):
        _client(os.getpid()).bucket(item.bucket).blob(item.name, generation=item.generation).delete()


@contextmanager
def told_of(uri: str) -> Iterator[None]:
    """Turn what the client library raises into a RemoteError about an address."""
    import requests  # noqa: PLC0415 - with the client library: two seconds that local runs need not wait
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
        number = NUMBERS.get(getattr(error, "code", 0), errno.EIO)
        known = {errno.ENOENT: "No such object or bucket", errno.EEXIST: "Another run is writing there"}
        text = known.get(number) or str(getattr(error, "message", "") or error)
        reason = (text.strip().splitlines() or [type(error).__name__])[0]
        raise RemoteError(number, reason, uri) from None


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415

    return DEFAULT_RETRY


@lru_cache(maxsize=4)
def _client(_process: int) -> Any:
    """Return the client of a process: connections must not be shared with a forked one."""
    from google.cloud.storage import Client  # noqa: PLC0415 - two seconds to import
    from google.oauth2.credentials import Credentials  # noqa: PLC0415

    token = os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    credentials = Credentials(token) if token else None  # type: ignore[no-untyped-call]  # annotated halfway
    # The project matters to no read or write; without one the client would look for it, and refuse where there is none
    client = Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT") or "none", credentials=credentials)
    host = urlsplit(os.environ.get("STORAGE_EMULATOR_HOST", "")).hostname
    if host in {"127.0.0.1", "localhost", "::1"}:
        client._http.trust_env = False  # a proxy of the environment must not be asked for this machine
    return client


def _translated(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern: `*` and `?` stop at a slash, `**` does not."""
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    found = re.findall(r"\*\*|\*|\?|\[[^]]+\]|.", pattern, re.DOTALL)
    return re.compile("".join(parts.get(part) or _literal(part) for part in found), re.DOTALL)


def _literal(part: str) -> str:
    """Return the expression of a character, or of a set of them such as [!a-z]."""
    if len(part) == 1:
        return re.escape(part)
    inverted = part[1] == "!"
    inner = part[2 if inverted else 1 : -1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
    return f"[{'^' if inverted else ''}{inner}]"
