"""Whole lines of text as they stand in a file; single lines are cut out only where one is asked for."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np

NEWLINE = ord("\n")


class Lines(Sequence[bytes]):
    """The lines of a text, without their line ends."""

    def __init__(self, text: bytes) -> None:
        """Take a text; a last line without its line end gets one."""
        self.text = text if text.endswith(b"\n") or not text else text + b"\n"

    @cached_property
    def ends(self) -> np.ndarray:
        """The position of each line's end in the text."""
        return np.flatnonzero(np.frombuffer(self.text, dtype=np.uint8) == NEWLINE)

    @cached_property
    def starts(self) -> np.ndarray:
        """The position of each line's first byte in the text."""
        starts = np.zeros(len(self.ends), dtype=np.int64)
        starts[1:] = self.ends[:-1] + 1
        return starts

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.text[:-1].split(b"\n") if self.text else [])

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> "Lines": ...
    def __getitem__(self, at: int | slice) -> "bytes | Lines":
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                msg = f"lines are cut in one piece, not in steps of {step}"
                raise ValueError(msg)
            return Lines(self.text[self.starts[first] : self.ends[last - 1] + 1] if first < last else b"")
        return self.text[self.starts[at] : self.ends[at]]

    def at(self, index: np.ndarray) -> list[bytes]:
        """Return chosen lines."""
        text = self.text
        pairs = zip(self.starts[index].tolist(), self.ends[index].tolist(), strict=True)
        return [text[start:end] for start, end in pairs]


def as_lines(lines: Sequence[bytes]) -> Lines:
    """Return lines as one text; none of them may hold a line end."""
    return lines if isinstance(lines, Lines) else Lines(b"".join([part for line in lines for part in (line, b"\n")]))
