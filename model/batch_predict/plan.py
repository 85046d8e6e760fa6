"""Input files -> shards: which byte ranges become which result file. The same plan always gives the same shards."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from model.batch_predict.inputs import InputFile

SMALLEST_SHARD = 256 << 10  # bytes of input: a job of ten rows needs no second process
DELIVERED_SHARD = 64 << 20  # bytes of input of a shard that goes to gs:// when it is whole
PIECES_PER_SHARD = 4  # how finely a seed scatters the input over the shards


@dataclass(frozen=True)
class Range:
    """The lines of a file that start at `start` or later and before `end`; None is the end of the file."""

    number: int
    file: int
    start: int
    end: int | None


Shards = list[list[Range]]


def shard_count(files: Sequence[InputFile], workers: int, *, remote: bool = False) -> int:
    """Return how many shards a run gets that was not told: one per worker, fewer where there is little to do.

    More where they are to leave this machine one after the other.
    """
    size = sum(file.size for file in files)
    return max(1, min(workers, -(-size // SMALLEST_SHARD)), -(-size // DELIVERED_SHARD) if remote else 1)


def plan_shards(files: Sequence[InputFile], shards: int, seed: int | None = None, *, coarse: bool = False) -> Shards:
    """Cut the input into shards of equal size, in its own order, or scattered by a seed; `coarse` cuts no small one."""
    pieces = shards if seed is None else shards * PIECES_PER_SHARD
    total = sum(file.size for file in files)
    pieces = max(1, min(pieces, total // SMALLEST_SHARD)) if coarse else pieces
    cuts = [total * n // pieces for n in range(1, pieces)]
    order = list(range(pieces))
    if seed is not None:
        random.Random(seed).shuffle(order)  # noqa: S311 - a seed is to be repeatable
    plan: Shards = [[] for _ in range(shards)]
    for number, (piece, file, start, end) in enumerate(_pieces(files, cuts)):
        plan[order[piece] % shards].append(Range(number, file, start, end))
    return plan


def _pieces(files: Sequence[InputFile], cuts: Sequence[int]) -> list[tuple[int, int, int, int | None]]:
    """Return (piece, file, start, end) of every range; one that cannot be cut is of the piece it begins in."""
    pieces: list[tuple[int, int, int, int | None]] = []
    offset = 0
    for number, file in enumerate(files):
        inner = [cut - offset for cut in cuts if offset < cut < offset + file.size] if file.splittable else []
        first = sum(cut <= offset for cut in cuts)
        bounds: list[int | None] = [0, *dict.fromkeys(inner), None]
        for position in range(len(bounds) - 1 if file.size or file.gzipped else 0):
            start, end = bounds[position] or 0, bounds[position + 1]
            pieces.append((first + position, number, start, end))
        offset += file.size
    return pieces
