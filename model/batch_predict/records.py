"""A predicted block -> the lines of its result and error shards."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import msgspec
import numpy as np

from model.batch_predict.blocks import Block
from model.batch_predict.messages import GroupPredictions
from model.batch_predict.shard import Counts
from model.instances import WHITESPACE, Decoded, Group
from model.lines import Lines
from model.predictions import Encoder
from model.rejections import Rejection

_encoder = msgspec.json.Encoder()
LEAST_STRETCH = 4  # rows on average: shorter stretches are put row by row


@dataclass(frozen=True)
class Records:
    """What a block adds to its shard."""

    results: bytes
    errors: bytes
    counts: Counts
    failed_lines: list[int]


def make_records(
    block: Block,
    decoded: Decoded,
    results: bytes,
    failures: Sequence[Rejection],
    file: str,
    first_line: Callable[[], int],
) -> Records:
    """Return the block's lines and counts; `first_line` gives the number of its first line in the file."""
    rejections = sorted([*decoded.rejections, *failures], key=attrgetter("at"))
    first = first_line() if rejections else 0  # which may have to be waited for
    lines = [first + rejection.at for rejection in rejections]
    errors = _errors(rejections, file, lines)
    counts = Counts(
        lines=len(block.lines),
        blank=decoded.blank,
        instances=len(block.lines) - decoded.blank,
        predicted=results.count(b"\n"),
        failed=errors.count(b"\n"),
        codes=dict(Counter([rejection.code for rejection in rejections])),
    )
    return Records(results, errors, counts, lines)


def as_text(rows: Sequence[bytes], order: random.Random | None) -> bytes:
    """Return what result lines there are as one text, in an order if there is one."""
    if isinstance(rows, Lines):
        return rows.text
    rows = list(rows)
    if order:
        order.shuffle(rows)
    return b"\n".join([*filter(None, rows), b""])


def encode_rows(
    encode: Encoder,
    block: Block,
    decoded: Decoded,
    predicted: Sequence[GroupPredictions],
    *,
    with_instance: bool,
    apart: bool,
) -> tuple[Sequence[bytes], list[Rejection]]:
    """Return result lines in the order of the lines, and the rows refused meanwhile.

    `apart`: as a list, empty where a line has no result; else, where that will do, as one text of those that have one.
    """
    texts: list[tuple[np.ndarray, Lines]] = []
    faults: dict[int, tuple[str, str]] = {}
    for group, answer in zip(decoded.groups, predicted, strict=True):
        index = group.index
        faults |= {int(index[row]): ("PREDICTION_FAILED", message) for row, message in answer.failures.items()}
        for start, outputs in answer.batches:
            encoded, bad = encode(outputs)
            faults |= {int(index[start + row]): fault for row, fault in bad.items()}
            texts.append((index[start:], encoded))
    if not (apart or with_instance or faults) and _in_order(decoded.groups):
        return Lines(b"".join(encoded.text for _, encoded in texts)), []
    rows: list[bytes] = [b""] * len(block.lines)
    for places, encoded in texts:
        _place(rows, places, list(encoded))
    for at in faults:
        rows[at] = b""
    if with_instance:
        rows = [_with_instance(*pair) for pair in zip(block.echoes or block.lines, rows, strict=True)]
    return rows, [Rejection(at, block.key(at), *fault) for at, fault in faults.items()]


def _in_order(groups: Sequence[Group]) -> bool:
    return not groups or (len(groups) == 1 and bool((np.diff(groups[0].index) > 0).all()))


def _place(rows: list[bytes], index: np.ndarray, texts: list[bytes]) -> None:
    """Put texts where their lines stand, a stretch at a time where others stand between few of them."""
    index = index[: len(texts)]
    breaks = (np.flatnonzero(np.diff(index) != 1) + 1).tolist()
    if len(breaks) * LEAST_STRETCH > len(index):
        for at, text in zip(index.tolist(), texts, strict=True):
            rows[at] = text
        return
    for first, last in pairwise([0, *breaks, len(index)]):
        at = int(index[first])
        rows[at : at + last - first] = texts[first:last]


def _with_instance(line: bytes, row: bytes) -> bytes:
    return b'{"instance": %b, "prediction": %b}' % (line.strip(WHITESPACE), row) if row else row


class _Error(msgspec.Struct, omit_defaults=True, gc=False):
    """A line of the error shard; `batch` only where the whole of it failed."""

    key: int | float | str | None
    file: str
    line: int
    code: str
    message: str
    batch: str = ""


def _errors(rejections: Sequence[Rejection], file: str, lines: Sequence[int]) -> bytes:
    errors = [
        _Error(each.key, file, line, each.code, each.message, each.batch)
        for each, line in zip(rejections, lines, strict=True)
    ]
    try:
        return _encoder.encode_lines(errors)
    except UnicodeEncodeError:
        return b"".join(map(_line_with_half_a_character, errors))


def _line_with_half_a_character(error: _Error) -> bytes:
    """Return an error's line, whose key may hold half a surrogate pair, which is no UTF-8: escaped then."""
    try:
        return _encoder.encode_lines([error])
    except UnicodeEncodeError:
        fields = {name: value for name, value in msgspec.structs.asdict(error).items() if value or name != "batch"}
        return json.dumps(fields).encode() + b"\n"
