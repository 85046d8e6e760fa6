"""TFRecord files -> blocks of `{"b64": …}` instances: framing and checksums as TensorFlow writes them.

A record is its length (8 bytes, little-endian), the length's masked CRC-32C, the data, the data's masked CRC-32C.
"""

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c

from model.batch_predict.blocks import Block, Position
from model.batch_predict.gzip_stream import GzipStream, buffered
from model.batch_predict.inputs import InputFile
from model.batch_predict.settings import BLOCK_SIZE, LONGEST_LINE
from model.rejections import Rejection
from model.tf_examples import key_of

HEAD = struct.Struct("<QI")
CHECKSUM = struct.Struct("<I")
BEFORE, BEHIND = b'{"b64": "', b'"}'


@dataclass(frozen=True)
class Record:
    """A record, or what is wrong where one should be; `size` is what it took of the file."""

    data: bytes
    size: int
    fault: tuple[str, str] | None = None


def masked_crc32c(data: bytes) -> int:
    """Return a checksum as TFRecord files hold it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(stream: BinaryIO, number: int = 0) -> Iterator[Record]:
    """Yield the records of a file, counted from `number`; behind a damaged frame there is no next one to be found."""
    while head := stream.read(HEAD.size):
        number += 1
        size, checksum = HEAD.unpack(head.ljust(HEAD.size))
        if len(head) < HEAD.size or masked_crc32c(head[:8]) != checksum:
            what = "does not match its checksum" if len(head) == HEAD.size else "is cut off"
            yield _damage(len(head), f"the length of record {number} {what}")
            return
        record = _too_long(stream, number, size) if size > LONGEST_LINE else _record(stream, number, size)
        yield record
        if record.fault and record.fault[0] == "DAMAGED_INPUT":
            return


def _record(stream: BinaryIO, number: int, size: int) -> Record:
    data, tail = stream.read(size), stream.read(CHECKSUM.size)
    took = HEAD.size + len(data) + len(tail)
    if len(tail) < CHECKSUM.size:
        what = f"{len(data):,} of {size:,} bytes" if len(data) < size else "its checksum is not whole"
        return _damage(took, f"record {number} is cut off: {what}")
    if masked_crc32c(data) != CHECKSUM.unpack(tail)[0]:
        return Record(b"", took, ("CORRUPT_RECORD", f"record {number} does not match its checksum"))
    return Record(data, took)


def _too_long(stream: BinaryIO, number: int, size: int) -> Record:
    took = HEAD.size + pass_over(stream, size + CHECKSUM.size)
    if took < HEAD.size + size + CHECKSUM.size:
        return _damage(took, f"record {number} is cut off")
    message = f"record {number} has {size:,} bytes: at most {LONGEST_LINE:,} are read"
    return Record(b"", took, ("RECORD_TOO_LONG", message))


def _damage(took: int, what: str) -> Record:
    return Record(b"", took, ("DAMAGED_INPUT", f"{what}; nothing behind it in the file can be read"))


def pass_over(stream: BinaryIO, count: int) -> int:
    """Read on without keeping anything; return how many bytes there were, at most `count`."""
    left = count
    while left and (chunk := stream.read(min(left, 1 << 20))):
        left -= len(chunk)
    return count - left


def read_record_blocks(file: InputFile, since: Position | None = None, size: int = BLOCK_SIZE) -> Iterator[Block]:
    """Yield a file's records as blocks, or those that are left since a position."""
    position = since or Position(0, 0)
    if not file.gzipped:
        with file.open() as stream:
            stream.seek(position.offset)
            yield from _blocks(read_records(stream, position.lines), position, size)
        return
    raw = GzipStream(file)
    with buffered(raw) as stream:
        pass_over(stream, position.offset)
        yield from _blocks(unpacked(stream, position.lines, raw), position, size, raw)


def unpacked(stream: BinaryIO, number: int, raw: GzipStream) -> Iterator[Record]:
    """Yield records; where the compression is damaged, that is what is wrong."""
    for record in read_records(stream, number):
        if raw.damage and record.fault and record.fault[0] == "DAMAGED_INPUT":
            yield Record(b"", record.size, raw.damage.fault)
            return
        yield record
    if raw.damage:
        yield Record(b"", 0, raw.damage.fault)


def _blocks(records: Iterable[Record], position: Position, size: int, raw: GzipStream | None = None) -> Iterator[Block]:
    offset, before, packed = position.offset, position.lines, 0
    for held in _batches(records, size):
        took = sum(record.size for record in held)
        offset += took
        if raw:
            took, packed = raw.position() - packed, raw.position()
        yield _block(held, offset, took, before)
        before += len(held)


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    held: list[Record] = []
    took = 0
    for record in records:
        held.append(record)
        took += record.size
        if took >= size:
            yield held
            held, took = [], 0
    if held:
        yield held


def _block(records: list[Record], end: int, took: int, before: int) -> Block:
    lines = [BEFORE + b64encode(record.data) + BEHIND for record in records]
    faults = [Rejection(at, None, *record.fault) for at, record in enumerate(records) if record.fault]

    def find_key(at: int) -> int | str | None:
        return key_of(b64decode(lines[at][len(BEFORE) : -len(BEHIND)]))

    ends = bool(faults) and faults[-1].code == "DAMAGED_INPUT"
    return Block(lines, end, took, before, faults=faults, find_key=find_key, ends=ends)
