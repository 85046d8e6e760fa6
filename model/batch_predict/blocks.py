"""A byte range of a file -> blocks of whole lines, a few megabytes each: what is read, parsed and written as one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from model.batch_predict.gzip_stream import Damage, GzipStream, buffered
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.batch_predict.settings import BLOCK_SIZE, LONGEST_LINE
from model.lines import Lines
from model.rejections import KEY, KEY_WITHIN, Rejection, read_key


@dataclass(frozen=True)
class Block:
    """Whole lines without their line ends; `end` is where the next block starts, `size` what it took of the file.

    Other formats than JSON Lines are JSON instances here already: `faults` are those that cannot be, `redo` makes the
    instance at a position once more and with more care, or says why there is none. Where keys do not stand in the
    lines, `find_key` finds them; where results echo something else than the lines, it stands in `echoes`.
    Behind a block that `ends` its range nothing can be read; one that `voids` it stands for the whole of it, and what
    was read before does not hold. `marks` is the sum over the files that a list named here.
    """

    lines: Sequence[bytes]
    end: int
    size: int
    first_line: int  # counted from the range's first line
    last_line_fault: tuple[str, str] | None = None  # code and message, where the last line was not read whole
    faults: Sequence[Rejection] = ()
    redo: Callable[[int], bytes | Rejection] | None = None
    find_key: Callable[[int], int | str | None] | None = None
    echoes: Sequence[bytes] | None = None
    ends: bool = False
    voids: bool = False
    marks: int = 0

    def key(self, at: int, name: str = KEY) -> int | float | str | None:
        """Return an instance's key as far as one can be read; `name` is its field's."""
        return self.find_key(at) if self.find_key else read_key(self.lines[at][:KEY_WITHIN], name)


@dataclass(frozen=True)
class Position:
    """How far a range has been read: the next line's byte offset, and how many lines lie before it in the range."""

    offset: int
    lines: int


def read_blocks(file: InputFile, part: Range, since: Position | None = None, size: int = BLOCK_SIZE) -> Iterator[Block]:
    """Yield the blocks of a range, or those that are left since a position."""
    if file.gzipped:
        raw = GzipStream(file)
        with buffered(raw) as stream:
            _skip(stream, since.offset if since else 0)
            yield from _blocks(stream, since or Position(0, 0), None, size, raw)
        return
    with file.open() as stream:
        position = since or _first_line(stream, part)
        stream.seek(position.offset)
        yield from _blocks(stream, position, part.end, size, None)


def _first_line(stream: BinaryIO, part: Range) -> Position:
    """Return where the first line that starts in the range starts: one cut by the bound belongs to the range before."""
    if part.start == 0:
        return Position(0, 0)
    stream.seek(part.start - 1)
    while chunk := stream.readline(1 << 20):
        if chunk.endswith(b"\n"):
            break
    return Position(stream.tell(), 0)


def _blocks(
    stream: BinaryIO, position: Position, end: int | None, size: int, raw: GzipStream | None
) -> Iterator[Block]:
    offset, lines_before, packed = position.offset, position.lines, 0
    while end is None or offset < end:
        text = stream.read(size if end is None else min(size, end - offset))
        rest, skipped = _rest_of_line(stream) if text and not text.endswith(b"\n") else (b"", 0)
        damage = raw.damage if raw else None
        if not text and damage is None:
            return
        if damage and damage.spoils:
            yield _void(damage, offset, raw.position() if raw else 0)
            return
        lines = Lines(text + rest + (b"\n" if damage else b""))  # damage is told of a line of its own, if an empty one
        fault = damage.fault if damage else None
        if skipped:
            fault = (
                "LINE_TOO_LONG",
                f"the line has {len(lines[-1]) + skipped:,} bytes: at most {LONGEST_LINE:,} are read",
            )
        size_read = len(text) + len(rest) + skipped
        offset += size_read
        if raw:
            size_read, packed = raw.position() - packed, raw.position()
        yield Block(lines, offset, size_read, lines_before, fault, ends=damage is not None)
        lines_before += len(lines)
        if damage is not None:
            return


def _void(damage: Damage, offset: int, size: int) -> Block:
    """Return the one record that stands for a file of which any line may be wrong."""
    fault = ("DAMAGED_INPUT", f"none of the file's lines is predicted, for any may be wrong: {damage.message}")
    return Block(Lines(b"\n"), offset, size, 0, fault, ends=True, voids=True)


def _rest_of_line(stream: BinaryIO) -> tuple[bytes, int]:
    """Return the rest of a line, and how many bytes of it were passed over because it is too long."""
    rest = stream.readline(LONGEST_LINE)
    skipped = 0
    if len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
        while chunk := stream.readline(1 << 20):
            skipped += len(chunk)
            if chunk.endswith(b"\n"):
                break
    return rest, skipped


def _skip(stream: BinaryIO, count: int) -> None:
    while count > 0 and (chunk := stream.read(min(count, 1 << 20))):
        count -= len(chunk)
