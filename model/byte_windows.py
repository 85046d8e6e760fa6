"""Pieces of equal length of a text, compared or written over all at once: one step per line instead of one per byte."""

import numpy as np

SPACE = b" "
(WHITE,) = SPACE
FEW_BYTES, FEW_STRETCHES = 64, 16


def windows(text: np.ndarray, width: int) -> np.ndarray:
    """Return a view of bytes as the pieces of `width` bytes that start at every place: (len(text) - width + 1,)."""
    return np.ndarray((max(0, len(text) - width + 1),), f"V{width}", buffer=text.data, strides=(1,))


def stands_at(text: np.ndarray, places: np.ndarray, piece: bytes) -> np.ndarray:
    """Tell at which places of a text, each with room for it, a piece stands."""
    if not piece or not len(places):
        return np.ones(len(places), dtype=bool)
    found = windows(text, len(piece))[places]
    if found.tobytes() == piece * len(places):  # mostly so, and twice as fast
        return np.ones(len(places), dtype=bool)
    same: np.ndarray = found == _one(piece)
    return same


def blank(text: np.ndarray, places: np.ndarray, width: int) -> None:
    """Write white space over the `width` bytes at each of the places, all of which have room for it."""
    if width and len(places):
        windows(text, width)[places] = _one(SPACE * width)


def blank_between(text: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> None:
    """Write white space over pieces of a text, none of them empty.

    A stretch as long as the shortest is written over in all pieces at once, or piece by piece where some are long.
    """
    lengths = stops - starts
    longest, shortest = int(lengths.max(initial=0)), int(lengths.min(initial=FEW_BYTES))
    if longest <= FEW_STRETCHES * shortest:
        for ahead in range(0, longest, shortest):
            blank(text, np.minimum(starts + ahead, stops - shortest), shortest)
        return
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        text[start:stop] = WHITE


def _one(piece: bytes) -> np.void:
    one: np.void = np.frombuffer(piece, dtype=f"V{len(piece)}")[0]
    return one
