"""Errors numbered from their range's start -> the shard's error file, numbered from the start of the input file."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import msgspec

from model.beam_predict.files import open_file, whole
from model.beam_predict.work import ShardDone, Work

# Quotes inside of a key are escaped: the first `"file":` that begins with a bare quote is the record's own field.
LINE = re.compile(rb'"file": ?"(?:[^"\\]|\\.)*", ?"line": ?(\d+)')


def number_errors(done: ShardDone, work: Work, all_done: Iterable[ShardDone]) -> ShardDone:
    """Write a shard's error file, and return its record with the digest of that file."""
    before = lines_before(work, all_done)
    digest = hashlib.sha256()
    with open_file(work.unfinished(done.number, "errors")) as pending, whole(work.errors(done.number)) as errors:
        for line in _numbered(pending, done, before):
            errors.write(line)
            digest.update(line)
    return msgspec.structs.replace(done, errors_sha256=digest.hexdigest())


def lines_before(work: Work, all_done: Iterable[ShardDone]) -> Mapping[int, int]:
    """Return how many lines of its file lie before each range."""
    lines = {part.number: part.lines for done in all_done for part in done.ranges}
    before: dict[int, int] = {}
    file, count = -1, 0
    for part in sorted((part for parts in work.shards for part in parts), key=lambda part: part.number):
        file, count = part.file, 0 if part.file != file else count
        before[part.number] = count
        count += lines[part.number]
    return before


def _numbered(pending: BinaryIO, done: ShardDone, before: Mapping[int, int]) -> Iterator[bytes]:
    for part in done.ranges:
        left = part.errors
        while left > 0:
            line = pending.readline()
            left -= len(line)
            yield _moved(line, before[part.number]) if before[part.number] else line


def _moved(line: bytes, by: int) -> bytes:
    match = LINE.search(line)
    if match is None:
        msg = f"no line number in {line[:200]!r}"
        raise AssertionError(msg)
    return b"%b%d%b" % (line[: match.start(1)], int(match.group(1)) + by, line[match.end(1) :])
