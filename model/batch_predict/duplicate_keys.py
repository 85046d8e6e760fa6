"""Keys that more than one instance has, found in bounded memory: what is noted of keys is gone through in portions.

Notes are divided by key into portions that fit into memory, and only within a portion are keys compared.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np

from model.batch_predict.key_notes import MULTIPLIERS, NOTE, mixed, read_notes, read_runs
from model.batch_predict.settings import UnusableError

PORTION = 1 << 18  # notes in memory at a time: 6 MB, and as much again while they are sorted
MOST_TICKS = 1 << 26  # a byte each
MOST_PORTIONS = 512  # files that are open at a time: beyond 134 million instances, portions grow
LISTED = 10


Place = tuple[int, ...]  # a range's number, and a line counted from its first


@dataclass(frozen=True)
class Duplicates:
    """How many instances have a key that an instance before them has, and where the first ones stand."""

    count: int
    first: tuple[tuple[Place, ...], ...]  # pairs: where the key stands first, and where again


def find_duplicates(files: Sequence[Path], order: Sequence[int], folder: Path) -> Duplicates:
    """Compare all noted keys, in portions that are written below `folder`; `order` tells which ranges come first."""
    if _runs_apart(files):
        return Duplicates(0, ())
    lowest, highest, total = _bounds(files)
    if not total or _all_different(files, lowest, highest, total):
        return Duplicates(0, ())
    rank = np.zeros(max([*order, 0]) + 1, dtype=np.int64)
    rank[list(order)] = np.arange(len(order))
    count, first = 0, list[tuple[Place, ...]]()
    for portion in _portions(files, total, folder):
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


def _runs_apart(files: Sequence[Path]) -> bool:
    """Tell whether all that is noted is runs that have no key in common."""
    runs = read_runs(files, PORTION)
    if runs is None:
        return False
    ordered = runs[np.argsort(runs[:, 0])]
    return bool((ordered[1:, 0] > ordered[:-1, 1]).all())


def _all_different(files: Sequence[Path], lowest: int, highest: int, count: int) -> bool:
    """Tell whether keys are known to be different by ticking them off, which takes integers that lie close together."""
    if highest - lowest >= MOST_TICKS:
        return False
    ticks = np.zeros(highest - lowest + 1, dtype=bool)
    for notes in read_notes(files, PORTION):
        ticks[notes["key"].view(np.int64) - lowest] = True
    return int(np.count_nonzero(ticks)) == count


def _bounds(files: Sequence[Path]) -> tuple[int, int, int]:
    """Return the lowest and the highest key and how many there are; texts' digests lie anywhere between."""
    lowest, highest, count = 0, -1, 0
    for notes in read_notes(files, PORTION):
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


def _portions(files: Sequence[Path], total: int, folder: Path) -> Iterator[np.ndarray]:
    """Yield all notes; those of equal keys come together."""
    count = min(MOST_PORTIONS, max(1, -(-total // PORTION)))
    if count == 1:
        yield np.concatenate([np.zeros(0, NOTE), *read_notes(files, PORTION)])
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        paths = [Path(place, str(number)) for number in range(count)]
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("wb")) for path in paths]
            for notes in read_notes(files, PORTION):
                owner = mixed(notes["key"], np.uint64(MULTIPLIERS[0])) % np.uint64(count)
                ends = np.cumsum(np.bincount(owner.astype(np.int64), minlength=count))
                parts = np.split(notes[np.argsort(owner, kind="stable")], ends[:-1])
                for file, part in zip(opened, parts, strict=True):
                    file.write(part.tobytes())
        for path in paths:
            yield np.fromfile(path, dtype=NOTE)


def _suspects(notes: np.ndarray) -> np.ndarray:
    """Return the notes whose key's first half occurs twice: mostly none, and sorting one column is quick."""
    keys = np.sort(notes["key"])
    twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
    return notes[np.isin(notes["key"], twice)] if len(twice) else notes[:0]
