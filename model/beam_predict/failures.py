"""Failures in the order of their shards -> where one of them stands, as people look for it: file and line."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.beam_predict.files import is_remote, open_file, read
from model.beam_predict.work import ShardDone, Work

CHUNK = 1 << 20


class _Place(msgspec.Struct):
    """What an error record says of where its row stands."""

    file: str
    line: int


_read_place = msgspec.json.Decoder(_Place).decode


def place_in_shards(work: Work, numbers: Sequence[int], position: int) -> str:
    """Return where a failure stands, by its position among those of finished shards; others may be unfinished yet."""
    records = [msgspec.json.decode(read(work.unfinished(n, "json")) or b"", type=ShardDone) for n in sorted(numbers)]
    for record in records:
        if position < record.counts.failed:
            return _unnumbered(work, records, record, position)
        position -= record.counts.failed
    raise AssertionError(f"{numbers} have no failure {position}")


def place_in_output(manifest: Mapping[str, Any], output: str, position: int) -> str:
    """Return where a failure stands, by its position among those of a run, whose manifest is given."""
    for shard in manifest["shards"]:
        if position < shard["errors"]:
            place, _ = _nth(f"{output}/{shard['errors_file']}", position)
            return f"{place.file} line {place.line}"
        position -= shard["errors"]
    raise AssertionError(f"{output!r} has no failure {position}")


def _nth(path: str, position: int) -> tuple[_Place, int]:
    """Return a line of an error file, and how many bytes lie before it."""
    before = 0
    with open_file(path) as errors:
        for line in islice(errors, position):
            before += len(line)
        return _read_place(errors.readline()), before


def _unnumbered(work: Work, records: Sequence[ShardDone], record: ShardDone, position: int) -> str:
    """Return where a failure of a shard stands whose lines are numbered from the start of their range."""
    place, before = _nth(work.unfinished(record.number, "errors"), position)
    for part, done in zip(work.shards[record.number], record.ranges, strict=True):
        if before < done.errors:
            return _numbered(work, records, part, place)
        before -= done.errors
    raise AssertionError(f"shard {record.number} has no failure {position}")


def _numbered(work: Work, records: Sequence[ShardDone], part: Range, place: _Place) -> str:
    file, known = work.files[part.file], {done.number: done.lines for record in records for done in record.ranges}
    parts = [other for shard in work.shards for other in shard if other.file == part.file and other.start < part.start]
    if all(other.number in known for other in parts):
        return f"{place.file} line {place.line + sum(known[other.number] for other in parts)}"
    if is_remote(file.name):  # which may be a long way to read
        return f"{place.file} line {place.line} behind byte {part.start}"
    return f"{place.file} line {place.line + _lines_before(file, part.start)}"


def _lines_before(file: InputFile, start: int) -> int:
    """Count the lines before the first one that starts at a byte or later."""
    count, left = 0, start - 1
    with file.open() as stream:
        while left > 0 and (chunk := stream.read(min(CHUNK, left))):
            count += chunk.count(b"\n")
            left -= len(chunk)
    return count + 1  # a line that is cut there ends before
