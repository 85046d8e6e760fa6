"""A large object up and down by google-cloud-storage, as its users send and read files."""

import hashlib
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from infra.errors import InfraError

MEGABYTE = 1_000_000
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there


def roomy(size: int) -> Path | None:
    """Return where the client's files go: into memory, for the disk is none of the server's; None if that is full."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= size:
        return MEMORY
    return None


def connect(url: str) -> Any:
    """Return google-cloud-storage's client for a server."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - Google's clients load in a second
    from google.cloud import storage  # noqa: PLC0415

    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return storage.Client(project="bench", credentials=credentials, client_options={"api_endpoint": url})


def make_file(path: Path, megabytes: int) -> None:
    """Write a file that does not compress."""
    with path.open("wb") as file:
        for number in range(megabytes):
            file.write(random.Random(number).randbytes(MEGABYTE))  # noqa: S311 - no secret


def transfer(client: Any, bucket: str, source: Path) -> tuple[float, float]:
    """Upload a file and download it again; return both in MB/s. Raises InfraError where the bytes differ."""
    size = source.stat().st_size
    blob = client.bucket(bucket).blob("large")
    began = time.perf_counter()
    blob.upload_from_filename(str(source))
    up = size / MEGABYTE / (time.perf_counter() - began)
    target = source.with_suffix(".back")
    began = time.perf_counter()
    blob.download_to_filename(str(target))
    down = size / MEGABYTE / (time.perf_counter() - began)
    if _digest(target) != _digest(source):
        raise InfraError("What came down is not what went up")
    target.unlink()
    return up, down


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
