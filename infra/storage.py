"""gs:// in and out: folders and files to the bucket, prefixes from it; what is there already is not sent again.

The first argument is a stack's outputs, which say where storage is: Google's or a local cloud's.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from infra.local_files import crc32c, inside, readable, writable
from infra.storage_client import StorageError, in_one_line, retry, storage_client

__all__ = ["StorageError"]

Progress = Callable[[int, int], None]  # bytes done, bytes in all
Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 8  # transfers at a time: a SavedModel is a dozen small files, and waiting is most of their time


@dataclass(frozen=True)
class StoredObject:
    """An object in a bucket."""

    uri: str
    name: str
    size: int
    crc32c: str
    generation: int


@dataclass(frozen=True)
class Uploaded:
    """What an upload came to; `sent` of its files were not there yet."""

    uri: str
    files: int
    sent: int
    bytes: int


def parse_uri(uri: str) -> tuple[str, str]:
    """Split `gs://BUCKET/NAME` into bucket and name (which may be empty)."""
    found = re.fullmatch(r"gs://([a-z0-9][a-z0-9._-]+)(?:/(.*))?", uri, re.DOTALL)
    if not found:
        msg = f"{uri!r} is no address in a bucket. Write it as: gs://BUCKET/NAME"
        raise StorageError(msg)
    return found[1], found[2] or ""


def upload_folder(outputs: Mapping[str, Any], folder: Path, uri: str, progress: Progress | None = None) -> Uploaded:
    """Upload all files of a folder below a prefix; files whose content is there already are left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        msg = f"No files in {str(folder)!r}. Run: invoke export"
        raise StorageError(msg)
    base = uri.rstrip("/")
    targets = {path: f"{base}/{path.relative_to(folder).as_posix()}" for path in files}
    return _upload(outputs, targets, f"{base}/", progress)


def upload_file(outputs: Mapping[str, Any], path: Path, uri: str, progress: Progress | None = None) -> Uploaded:
    """Upload one file, unless that content is there already."""
    return _upload(outputs, {path: uri}, uri, progress)


def list_objects(outputs: Mapping[str, Any], uri: str) -> list[StoredObject]:
    """Return the objects whose address begins with `uri`, by name."""
    bucket, prefix = parse_uri(uri)
    with in_one_line(outputs, uri):
        found = storage_client(outputs).list_blobs(bucket, prefix=prefix, retry=retry(outputs))
        return [
            StoredObject(f"gs://{bucket}/{blob.name}", blob.name, blob.size, blob.crc32c, blob.generation)
            for blob in found
        ]


def bucket_resource(outputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a bucket as Cloud Storage has it: `location`, `customPlacementConfig` and all."""
    with in_one_line(outputs, f"gs://{name}"):
        bucket = storage_client(outputs).get_bucket(name, retry=retry(outputs))
        found: Mapping[str, Any] = bucket._properties  # the client has no name for all of it
        return found


def exists(outputs: Mapping[str, Any], uri: str) -> bool:
    """Say whether an object, or one in a folder of that address, is there."""
    folder = f"{uri.rstrip('/')}/"
    return any(item.uri == uri or item.uri.startswith(folder) for item in list_objects(outputs, uri))


def read_text(outputs: Mapping[str, Any], uri: str) -> str:
    """Return an object's content as UTF-8 text."""
    bucket, name = parse_uri(uri)
    with in_one_line(outputs, uri):
        blob = storage_client(outputs).bucket(bucket).blob(name)
        text: str = blob.download_as_text(encoding="utf-8", retry=retry(outputs))
        return text


def download_prefix(outputs: Mapping[str, Any], uri: str, folder: Path, progress: Progress | None = None) -> list[Path]:
    """Download all objects of `gs://BUCKET/FOLDER/` into a folder; files that are there already stay.

    Raises:
        StorageError: there are none, or a name would lead out of the folder.
    """
    base = f"{uri.rstrip('/')}/"
    items = [item for item in list_objects(outputs, base) if not item.name.endswith("/")]
    if not items:
        msg = f"Nothing at {base!r}. Run: gcloud storage ls {base}"
        raise StorageError(msg)
    targets = {item: inside(folder, item.uri, base) for item in items}
    total, done = sum(item.size for item in items), 0
    for item, _ in _together(lambda item: _download(outputs, item, targets[item]), items):
        done += item.size
        if progress:
            progress(done, total)
    return list(targets.values())


def _upload(
    outputs: Mapping[str, Any], targets: Mapping[Path, str], prefix: str, progress: Progress | None
) -> Uploaded:
    there = {item.uri: item for item in list_objects(outputs, prefix)}
    sizes = {}
    for path in targets:
        with readable(path):
            sizes[path] = path.stat().st_size
    total, done, sent = sum(sizes.values()), 0, 0
    for path, was_sent in _together(lambda path: _send(outputs, path, targets[path], there), list(targets)):
        done += sizes[path]
        sent += was_sent
        if progress:
            progress(done, total)
    return Uploaded(prefix.rstrip("/"), len(targets), sent, total)


def _send(outputs: Mapping[str, Any], path: Path, uri: str, there: Mapping[str, StoredObject]) -> bool:
    """Send a file unless its content is there, and say whether it was sent."""
    from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415 - as in infra.storage_client

    with readable(path):
        checksum, standing = crc32c(path), there.get(uri)
    if standing and standing.crc32c == checksum:
        return False
    bucket, name = parse_uri(uri)
    blob = storage_client(outputs).bucket(bucket).blob(name)
    # Only onto the generation that was seen: so it is safe to send again after a lost connection
    generation = standing.generation if standing else 0
    with in_one_line(outputs, uri):
        try:
            blob.upload_from_filename(str(path), if_generation_match=generation, retry=retry(outputs))
        except PreconditionFailed:
            blob.reload(retry=retry(outputs))
            if blob.crc32c != checksum:
                msg = f"{uri!r} was changed by someone else at the same time. Run it again"
                raise StorageError(msg) from None
    return True


def _download(outputs: Mapping[str, Any], item: StoredObject, target: Path) -> None:
    with writable(target):
        if target.exists() and target.stat().st_size == item.size and crc32c(target) == item.crc32c:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    bucket, name = parse_uri(item.uri)
    try:
        with writable(target), in_one_line(outputs, item.uri):
            blob = storage_client(outputs).bucket(bucket).blob(name, generation=item.generation)
            blob.download_to_filename(str(temporary), retry=retry(outputs))
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _together(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result]]:
    """Do work on items at the same time and give the results in the items' order; the first failure ends the rest."""
    pool = ThreadPoolExecutor(min(WORKERS, len(items)) or 1)
    try:
        yield from zip(items, pool.map(work, items), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)
