"""Keyed rows of 13 features, as many as asked for: what every way of the bench predicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

FEATURES = 13
CHUNK = 100_000  # rows made at once
BAD_LINES = (b'{"features":[1,2,3],"key":%d}', b'{"features":"none","key":%d}', b'{"key":%d,"features":[0,1,')


@dataclass(frozen=True)
class Rows:
    """A folder of JSON Lines; every `bad_every`-th line is one that no model takes (0: none)."""

    folder: Path
    count: int
    files: int
    bad_every: int = 0

    @property
    def pattern(self) -> str:
        """The glob of its files."""
        return str(self.folder / "*.jsonl")

    @property
    def keys(self) -> np.ndarray:
        """The keys of the good rows."""
        keys = np.arange(self.count)
        return keys[keys % self.bad_every != 0] if self.bad_every else keys


def features(count: int) -> Iterator[np.ndarray]:
    """Yield the features of `count` rows, a chunk at a time: the same ones at every call, key by key."""
    for first in range(0, count, CHUNK):
        random = np.random.default_rng(first)
        yield random.uniform(0, 100, (min(CHUNK, count - first), FEATURES)).round(6).astype(np.float32)


def write_rows(folder: Path, count: int, files: int, bad_every: int = 0) -> Rows:
    """Write `count` rows into equally large files."""
    folder.mkdir(parents=True)
    places = [(folder / f"rows-{number:02d}.jsonl").open("wb") for number in range(files)]
    try:
        key = 0
        for chunk in features(count):
            for line in _lines(chunk, key, bad_every):
                places[key * files // count].write(line)
                key += 1
    finally:
        for place in places:
            place.close()
    return Rows(folder, count, files, bad_every)


def _lines(chunk: np.ndarray, first: int, bad_every: int) -> Iterator[bytes]:
    rows: Sequence[np.ndarray] = list(chunk)
    for key, row in enumerate(rows, first):
        if bad_every and key % bad_every == 0:
            yield BAD_LINES[key // bad_every % len(BAD_LINES)] % key + b"\n"
        else:
            yield orjson.dumps({"features": row, "key": key}, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"
