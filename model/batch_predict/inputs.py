"""Patterns -> the input files of a run, each with its format and the name by which records and manifest call it."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from model.batch_predict.formats import LINES, Format, format_of
from model.batch_predict.settings import UnusableError


@dataclass(frozen=True)
class InputFile:
    """A file of instances: where it lies, what it is called, its size in bytes, what it holds."""

    path: Path
    name: str
    size: int
    format: Format = Format.JSONL
    listed: Path | None = None  # where what a list names lies, under the SHA-256 of its name; None: where it says

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

    def open(self) -> BinaryIO:
        """Open it as it lies there."""
        return cast(BinaryIO, self.path.open("rb"))


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
        files = [path for path in _matches(pattern) if path.is_file()]
        if not files:
            msg = f"No input file matches {pattern!r}"
            raise UnusableError(msg)
        for path in files:
            held = kind or format_of(path.name)
            found.setdefault(path.resolve(), InputFile(path, _name(path, roots), _size(path), held, listed))
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    """Return what a file's name, a folder's name (everything below it, hidden files too) or a pattern matches."""
    if Path(pattern).is_file():
        return [Path(pattern)]
    if Path(pattern).is_dir():
        return sorted(Path(pattern).rglob("*"))
    return sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - absolute patterns


def _size(path: Path) -> int:
    try:
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        msg = f"Cannot read {str(path)!r}: {error.strerror}"
        raise UnusableError(msg) from None


def _name(path: Path, roots: Sequence[tuple[Path, str]]) -> str:
    for folder, uri in roots:
        if path.resolve().is_relative_to(folder.resolve()):
            return (uri if uri.endswith("/") else f"{uri}/") + path.resolve().relative_to(folder.resolve()).as_posix()
    return str(path)
