"""Keys that more than one instance has, found in bounded memory: rows are noted on disk and gone through in portions.

A note is 24 bytes: the key (an integer itself, 128 bits of a text) and where its line stands. Notes are divided by key
into portions that fit into memory, and only within a portion are keys compared.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model.batch_predict.kernel import Pending
from model.batch_predict.settings import UnusableError
from model.batch_predict.transforms import TAKEN_OUT, Sent
from model.instances import Group
from model.signature import Signature, TensorSpec

KEY = "key"
NOTE = np.dtype([("key", "<u8"), ("more", "<u8"), ("range", "<u4"), ("line", "<u4")])
PORTION = 1 << 18  # notes in memory at a time: 6 MB, and as much again while they are sorted
MOST_TICKS = 1 << 26  # a byte each
MOST_PORTIONS = 512  # files that are open at a time: beyond 134 million instances, portions grow
LISTED = 10
MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)  # odd numbers without a pattern
MIX = (0xBF58476D1CE4E5B9, 29)  # of splitmix64


Place = tuple[int, ...]  # a range's number, and a line counted from its first


@dataclass(frozen=True)
class Duplicates:
    """How many instances have a key that an instance before them has, and where the first ones stand."""

    count: int
    first: tuple[tuple[Place, ...], ...]  # pairs: where the key stands first, and where again


def key_input(signature: Signature) -> TensorSpec | None:
    """Return the input that holds an instance's key, if the model takes one."""
    for spec in signature.inputs:
        if spec.alias == KEY and spec.shape == (None,) and (spec.dtype == "string" or "int" in spec.dtype):
            return spec
    return None


def notes_of(pending: Pending, signature: Signature) -> bytes:
    """Return the notes of a block's good instances, nothing where they have no keys."""
    spec, notes = key_input(signature), list[bytes]()
    for group in pending.decoded.groups:
        keys = _taken_out(pending.sent, group) if pending.sent else None
        if keys is None and spec is not None:
            keys = group.inputs[spec.alias]
        elif keys is None and pending.block.echoes is not None:  # of listed files the name is the key
            keys = _objects([pending.block.echoes[at] for at in group.index.tolist()])
        if keys is None:
            return b""
        note = np.zeros(len(group.index), dtype=NOTE)
        if keys.dtype == object:
            note["key"], note["more"] = _digests(keys)
        else:
            note["key"] = keys.astype(np.int64).view(np.uint64)
        note["range"], note["line"] = pending.part.number, pending.block.first_line + group.index
        notes.append(note.tobytes())
    return b"".join(notes)


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
            digest = _mixed(digest ^ words[:, place], np.uint64(multiplier))
        halves.append(digest)
    return halves[0], halves[1]


def _mixed(value: np.ndarray, multiplier: np.uint64) -> np.ndarray:
    value = (value ^ (value >> np.uint64(MIX[1]))) * np.uint64(MIX[0])
    mixed: np.ndarray = (value ^ (value >> np.uint64(32))) * multiplier
    return mixed


def find_duplicates(files: Sequence[Path], order: Sequence[int], folder: Path) -> Duplicates:
    """Compare all noted keys, in portions that are written below `folder`; `order` tells which ranges come first."""
    if _all_different(files):
        return Duplicates(0, ())
    rank = np.zeros(max([*order, 0]) + 1, dtype=np.int64)
    rank[list(order)] = np.arange(len(order))
    count, first = 0, list[tuple[Place, ...]]()
    for portion in _portions(files, folder):
        notes = _suspects(portion)
        notes = notes[np.lexsort((notes["line"], rank[notes["range"]], notes["more"], notes["key"]))]
        same = (notes["key"][1:] == notes["key"][:-1]) & (notes["more"][1:] == notes["more"][:-1])
        count += int(np.count_nonzero(same))
        again = np.flatnonzero(same)
        earliest = np.lexsort((notes["line"][again + 1], rank[notes["range"][again + 1]]))[:LISTED]
        pairs = ((notes[at], notes[at + 1]) for at in again[earliest].tolist())
        places = (tuple((int(note["range"]), int(note["line"])) for note in pair) for pair in pairs)
        first = nsmallest(LISTED, [*first, *places], key=lambda pair: (rank[pair[1][0]], pair[1][1]))
    return Duplicates(count, tuple(first))


def _all_different(files: Sequence[Path]) -> bool:
    """Tell whether keys are known to be different by ticking them off, which takes integers that lie close together."""
    lowest, highest, count = _bounds(files)
    if not count or highest - lowest >= MOST_TICKS:
        return not count
    ticks = np.zeros(highest - lowest + 1, dtype=bool)
    for notes in _chunks(files):
        ticks[notes["key"].view(np.int64) - lowest] = True
    return int(np.count_nonzero(ticks)) == count


def _bounds(files: Sequence[Path]) -> tuple[int, int, int]:
    """Return the lowest and the highest key and how many there are; texts' digests lie anywhere between."""
    lowest, highest, count = 0, -1, 0
    for notes in _chunks(files):
        keys = notes["key"].view(np.int64)
        low, high = int(keys.min()), int(keys.max())
        lowest, highest = (min(lowest, low), max(highest, high)) if count else (low, high)
        count += len(keys)
    return lowest, highest, count


def facts_of(found: Duplicates, place: Callable[[int, int], str]) -> dict[str, Any]:
    """Return what a manifest says of duplicate keys; `place` names a line of a range."""
    first = [f"the key of {place(*one)} stands at {place(*again)} again" for one, again in found.first]
    return {"duplicate_keys": found.count, "first_duplicates": first}


def refuse_duplicates(facts: Mapping[str, Any]) -> None:
    """Refuse them, where the policy calls them an error.

    Raises:
        UnusableError: there are some.
    """
    if facts["duplicate_keys"]:
        remedy = "Make keys unique, or run again with --resume --on-duplicate-key keep"
        msg = f"{facts['first_duplicates'][0]} ({facts['duplicate_keys']:,} in all). {remedy}"
        raise UnusableError(msg)


def _portions(files: Sequence[Path], folder: Path) -> Iterator[np.ndarray]:
    """Yield all notes; those of equal keys come together."""
    total = sum(file.stat().st_size for file in files) // NOTE.itemsize
    count = min(MOST_PORTIONS, max(1, -(-total // PORTION)))
    if count == 1:
        yield np.concatenate([np.zeros(0, NOTE), *_chunks(files)])
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        paths = [Path(place, str(number)) for number in range(count)]
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("wb")) for path in paths]
            for notes in _chunks(files):
                owner = _mixed(notes["key"], np.uint64(MULTIPLIERS[0])) % np.uint64(count)
                ends = np.cumsum(np.bincount(owner.astype(np.int64), minlength=count))
                parts = np.split(notes[np.argsort(owner, kind="stable")], ends[:-1])
                for file, part in zip(opened, parts, strict=True):
                    file.write(part.tobytes())
        for path in paths:
            yield np.fromfile(path, dtype=NOTE)


def _chunks(files: Sequence[Path]) -> Iterator[np.ndarray]:
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(PORTION * NOTE.itemsize):
                yield np.frombuffer(chunk, dtype=NOTE)


def _suspects(notes: np.ndarray) -> np.ndarray:
    """Return the notes whose key's first half occurs twice: mostly none, and sorting one column is quick."""
    keys = np.sort(notes["key"])
    twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
    return notes[np.isin(notes["key"], twice)] if len(twice) else notes[:0]
