"""The objects that a job's file lists name: linked for the engine, which reaches nothing else by a list."""

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError
from infra.emulator.model_artifacts import link
from infra.emulator.objects import parse_gs_uri

FILE_LIST = "file-list"


def link_listed(cloud: Cloud, lists: Path, folder: Path) -> None:
    """Link every object that a list below `lists` names, under the SHA-256 of its URI; a missing one fails its row."""
    for path in lists.rglob("*"):
        for uri in _uris(path) if path.is_file() else ():
            target = folder / hashlib.sha256(uri.encode()).hexdigest()
            source = _source(cloud, uri)
            if source is not None and not target.exists():
                with suppress(FileNotFoundError):  # overwritten since it was looked up
                    link(source, target)


def _uris(path: Path) -> Iterator[str]:
    with _opened(path) as lines:
        for line in lines:
            with suppress(UnicodeDecodeError):  # the engine says where
                yield line.strip().decode()


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _source(cloud: Cloud, uri: str) -> Path | None:
    try:
        bucket, name = parse_gs_uri(uri)
    except ApiError:
        return None
    found = catalog.find(cloud, bucket, name) if name else None
    return found.path if found else None
