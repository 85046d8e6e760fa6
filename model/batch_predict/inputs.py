"""Patterns -> the input files of a run, each with the name by which records and manifest call it."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.batch_predict.settings import UnusableError


@dataclass(frozen=True)
class InputFile:
    """A file of instances: where it lies, what it is called, its size in bytes."""

    path: Path
    name: str
    size: int

    @property
    def gzipped(self) -> bool:
        """Whether it can only be read from its start."""
        return self.path.suffix == ".gz"


def find_inputs(patterns: Sequence[str], roots: Sequence[tuple[Path, str]] = ()) -> list[InputFile]:
    """Return the files that the patterns match, each once, ordered by pattern and name.

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
            found.setdefault(path.resolve(), InputFile(path, _name(path, roots), _size(path)))
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
