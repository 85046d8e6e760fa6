"""What is noted of every instance's key, for keys to be compared when all have been read.

A note is 24 bytes: the key (an integer itself, 128 bits of a text) and where its line stands. Keys that follow one
another line by line, as numbered rows have them, take one note together.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson

from model.batch_predict.kernel import Pending
from model.batch_predict.transforms import TAKEN_OUT, Sent
from model.instances import Group
from model.rejections import KEY
from model.signature import Signature, TensorSpec

NOTE = np.dtype([("key", "<u8"), ("more", "<u8"), ("range", "<u4"), ("line", "<u4")])
RUN = 1 << 31  # in `range`: `more` keys, from this one and this line on
LEAST_RUN = 4  # keys on average: shorter runs are noted key by key
MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)  # odd numbers without a pattern
MIX = (0xBF58476D1CE4E5B9, 29)  # of splitmix64


def key_input(signature: Signature) -> TensorSpec | None:
    """Return the input that holds an instance's key, if the model takes one."""
    for spec in signature.inputs:
        if spec.alias == KEY and spec.shape == (None,) and (spec.dtype == "string" or "int" in spec.dtype):
            return spec
    return None


def notes_of(pending: Pending, signature: Signature) -> bytes:
    """Return the notes of a block's good instances, nothing where they have no keys."""
    spec, notes = key_input(signature), list[np.ndarray]()
    for group in pending.decoded.groups:
        keys = _keys(pending, group, spec)
        if keys is None:
            return b""
        notes.append(_notes(keys, pending.block.first_line + group.index))
        notes[-1]["range"] |= pending.part.number
    return b"".join(note.tobytes() for note in notes)


def read_runs(files: Sequence[Path], most: int) -> np.ndarray | None:
    """Return each run's first and last key, None where there is anything but runs, or more than `most`."""
    if sum(file.stat().st_size for file in files) > most * NOTE.itemsize:
        return None
    notes = np.frombuffer(b"".join(file.read_bytes() for file in files), dtype=NOTE)
    if not (notes["range"] >= RUN).all():
        return None
    first = notes["key"].view(np.int64)
    last = first + (notes["more"].view(np.int64) - 1)
    return np.stack([first, last], axis=1) if (last >= first).all() else None


def read_notes(files: Sequence[Path], most: int) -> Iterator[np.ndarray]:
    """Yield a note for each instance, about `most` or those of one block at a time."""
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(most * NOTE.itemsize):
                notes = np.frombuffer(chunk, dtype=NOTE)
                runs = notes["range"] >= RUN
                if not runs.all():
                    yield notes[~runs]
                yield from _written_out(notes[runs], most)


def _keys(pending: Pending, group: Group, spec: TensorSpec | None) -> np.ndarray | None:
    keys = _taken_out(pending.sent, group) if pending.sent else None
    if keys is None and spec is not None:
        return group.inputs[spec.alias]
    if keys is None and pending.block.echoes is not None:  # of listed files the name is the key
        return _objects([pending.block.echoes[at] for at in group.index.tolist()])
    return keys


def _notes(keys: np.ndarray, lines: np.ndarray) -> np.ndarray:
    if keys.dtype == object:
        notes = np.zeros(len(keys), dtype=NOTE)
        notes["key"], notes["more"] = _digests(keys)
        notes["line"] = lines
        return notes
    numbers = keys.astype(np.int64).view(np.uint64)
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(numbers) != 1) | (np.diff(lines) != 1)]))
    runs = len(starts) * LEAST_RUN <= len(numbers)
    noted = starts if runs else np.arange(len(numbers))
    notes = np.zeros(len(noted), dtype=NOTE)
    notes["key"], notes["line"] = numbers[noted], lines[noted]
    if runs:
        notes["range"], notes["more"] = RUN, np.diff(starts, append=len(numbers))
    return notes


def _written_out(runs: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Yield the notes that runs stand for."""
    ends = np.cumsum(runs["more"])
    for some in np.split(runs, np.flatnonzero(np.diff(ends // np.uint64(most))) + 1) if len(runs) else []:
        lengths = some["more"].astype(np.int64)
        notes = np.repeat(some, lengths)
        places = (np.arange(len(notes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)).astype(np.uint64)
        notes["key"] += places
        notes["line"] += places.astype(np.uint32)
        notes["range"] -= np.uint32(RUN)
        notes["more"] = 0
        yield notes


def _taken_out(sent: Sent, group: Group) -> np.ndarray | None:
    """Return the keys that were not sent, as JSON text: `1` and `"1"` differ, however they are written."""
    heads = [sent.heads[at] for at in group.index.tolist()]
    if not all(head.startswith(TAKEN_OUT) for head in heads):
        return None
    return _objects([_canonical(head[len(TAKEN_OUT) :]) for head in heads])


def _objects(texts: list[bytes]) -> np.ndarray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _canonical(key: bytes) -> bytes:
    return orjson.dumps(orjson.loads(key)) if key.startswith(b'"') else key


def _digests(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 128 bits of each text, in two halves."""
    lengths = np.fromiter(map(len, texts), dtype=np.uint64, count=len(texts))
    width = -(-int(lengths.max(initial=1)) // 8) * 8 or 8
    words = texts.astype(f"S{width}").view("<u8").reshape(len(texts), -1)
    halves = []
    for multiplier in MULTIPLIERS:
        digest = lengths * np.uint64(multiplier)
        for place in range(words.shape[1]):
            digest = mixed(digest ^ words[:, place], np.uint64(multiplier))
        halves.append(digest)
    return halves[0], halves[1]


def mixed(value: np.ndarray, multiplier: np.uint64) -> np.ndarray:
    """Scatter 64-bit integers (splitmix64)."""
    value = (value ^ (value >> np.uint64(MIX[1]))) * np.uint64(MIX[0])
    scattered: np.ndarray = (value ^ (value >> np.uint64(32))) * multiplier
    return scattered
