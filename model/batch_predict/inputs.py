"""Patterns -> the input files of a run, each with its format and the name by which records and manifest call it."""

import glob
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from model.batch_predict.formats import LINES, Format, format_of
from model.batch_predict.settings import UnusableError
from model.gcs import SCHEME, GcsObject, find


@dataclass(frozen=True)
class InputFile:
    """A file of instances: where it lies, what it is called, its size in bytes, what it holds."""

    path: Path
    name: str
    size: int
    format: Format = Format.JSONL
    listed: Path | None = None  # where what a list names lies, under the SHA-256 of its name; None: where it says
    stamp: tuple[int, int, int] | None = None  # inode, size, time of change when it was found

    @property
    def gzipped(self) -> bool:
        """Whether it is compressed."""
        if self.format in LINES:
            return self.path.suffix == ".gz"
        return self.format is Format.TF_RECORD_GZIP

    @property
    def splittable(self) -> bool:
        """Whether it can be read from the middle: plain lines can, compressed data and records cannot."""
        return self.format in LINES and not self.gzipped

    @property
    def digest(self) -> str:
        """What is known of its content without reading it."""
        return ""

    def open(self) -> BinaryIO:
        """Open it as it lies there."""
        return cast(BinaryIO, self.path.open("rb"))


@dataclass(frozen=True)
class RemoteFile(InputFile):
    """An object in a bucket, read by ranges where it lies."""

    source: GcsObject | None = None

    @property
    def digest(self) -> str:
        """Its checksum, as the bucket has it."""
        return f"crc32c {self.source.crc32c}" if self.source else ""

    def open(self) -> BinaryIO:
        """Open this generation of it, whatever the name holds by now."""
        if self.source is None:
            raise FileNotFoundError(self.name)
        return self.source.open()


def find_inputs(
    patterns: Sequence[str],
    roots: Sequence[tuple[Path, str]] = (),
    kind: Format | None = None,
    listed: Path | None = None,
) -> list[InputFile]:
    """Return the files that the patterns match, each once, ordered by pattern and name.

    Their names tell the format where `kind` does not.

    Raises:
        UnusableError: a pattern matches nothing, or a file cannot be read.
    """
    found: dict[Path, InputFile] = {}
    for pattern in patterns:
        if pattern.startswith(SCHEME):
            found |= {file.path: file for file in _remote_files(pattern, kind)}
            continue
        files = [path for path in _matches(pattern) if path.is_file()]
        if not files:
            msg = f"No input file matches {pattern!r}. Check the path and its wildcards"
            raise UnusableError(msg)
        for path in files:
            held = kind or format_of(path.name)
            stamp = _stamp(path)
            found.setdefault(path.resolve(), InputFile(path, _name(path, roots), stamp[1], held, listed, stamp))
    return list(found.values())


def changed_input(files: Sequence[InputFile]) -> str | None:
    """Return the name of a file that is not what it was when it was found; one that is gone is another matter."""
    for file in files:
        with suppress(OSError, UnusableError):
            if file.stamp and _stamp(file.path) != file.stamp:
                return file.name
    return None


def _remote_files(pattern: str, kind: Format | None) -> list[RemoteFile]:
    try:
        items = find(pattern)
    except OSError as error:
        msg = f"Cannot read {pattern!r}: {error.strerror}"
        raise UnusableError(msg) from None
    if not items:
        msg = f"No object matches {pattern!r}"
        raise UnusableError(msg)
    return [
        RemoteFile(Path(item.uri), item.uri, item.size, kind or format_of(item.name), source=item) for item in items
    ]


def _matches(pattern: str) -> list[Path]:
    """Return what a file's name, a folder's name (everything below it, hidden files too) or a pattern matches."""
    if Path(pattern).is_file():
        return [Path(pattern)]
    if Path(pattern).is_dir():
        return sorted(Path(pattern).rglob("*"))
    return sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - absolute patterns


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            return found.st_ino, found.st_size, found.st_mtime_ns
    except OSError as error:
        msg = f"Cannot read {str(path)!r}: {error.strerror}"
        raise UnusableError(msg) from None


def _name(path: Path, roots: Sequence[tuple[Path, str]]) -> str:
    for folder, uri in roots:
        if path.resolve().is_relative_to(folder.resolve()):
            return (uri if uri.endswith("/") else f"{uri}/") + path.resolve().relative_to(folder.resolve()).as_posix()
    return str(path)
