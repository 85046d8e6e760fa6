"""Files by path or gs:// address; what is written appears whole or not at all."""

import errno
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO, cast

from model import gcs
from model.gcs import SCHEME


def is_remote(path: str) -> bool:
    """Whether a path is an address in a bucket."""
    return path.startswith(SCHEME)


def join(folder: str, *names: str) -> str:
    """Return the path or address of something in a folder."""
    return "/".join([folder.rstrip("/") or folder, *names])


def open_file(path: str) -> BinaryIO:
    """Open a file for reading."""
    return gcs.stat(path).open() if is_remote(path) else cast(BinaryIO, Path(path).open("rb"))


@contextmanager
def whole(path: str) -> Iterator[BinaryIO]:
    """Write a file that is there when all of it is: renamed, or uploaded, at the end."""
    place = Path(tempfile.gettempdir()) / "shard" if is_remote(path) else Path(path)
    temporary = place.with_name(f"{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if is_remote(path):
            gcs.upload(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_torn(folder: str) -> None:
    """Remove what a killed run left half written in a folder of this machine."""
    if not is_remote(folder):
        for torn in Path(folder).glob("prediction.*.tmp"):
            torn.unlink(missing_ok=True)


def read(path: str) -> bytes | None:
    """Return a file's content; None where there is none."""
    try:
        with open_file(path) as stream:
            return stream.read()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None


def names_in(folder: str) -> list[str]:
    """Return the names of the files in a folder, none where there is no folder."""
    if is_remote(folder):
        root = join(folder, "")
        names = [item.uri.removeprefix(root) for item in gcs.under(root)]
        return [name for name in names if "/" not in name]
    place = Path(folder)
    return sorted(path.name for path in place.iterdir() if path.is_file()) if place.is_dir() else []


def remove_folder(folder: str) -> None:
    """Delete a folder and the files in it; none is no mistake."""
    if is_remote(folder):
        for item in gcs.under(join(folder, "")):
            gcs.delete(item)
    else:
        rmtree(folder, ignore_errors=True)
