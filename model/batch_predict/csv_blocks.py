"""CSV files -> blocks of JSON instances, cut at line ends as JSON Lines are."""

from collections.abc import Iterator
from dataclasses import replace

from model.batch_predict.blocks import Block, Position, read_blocks
from model.batch_predict.csv_columns import Columns
from model.batch_predict.csv_keys import readable_key
from model.batch_predict.csv_rows import RowError, RowReader
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.instances import WHITESPACE
from model.rejections import Rejection


def read_row_blocks(
    file: InputFile, part: Range, since: Position | None, columns: Columns, size: int
) -> Iterator[Block]:
    """Yield a range's rows as instances; the header, which is the file's first line, is none."""
    reader = RowReader(columns)
    at_header = part.start == 0 and since is None
    for block in read_blocks(file, part, since, size):
        skipped = int(at_header and not block.voids)
        rows = replace(block, lines=block.lines[skipped:], first_line=block.first_line + skipped)
        at_header = False
        yield _instances(rows, reader)


def _instances(block: Block, reader: RowReader) -> Block:
    """Make the instances; what the quick way does not make is made with care at once."""
    whole = len(block.lines) - (block.last_line_fault is not None)
    rows, torn = list(block.lines[:whole]), block.lines[whole:]
    faults: list[Rejection] = []

    def redo(at: int) -> bytes | Rejection:
        try:
            return reader.careful(rows[at])
        except RowError as error:
            return Rejection(at, readable_key(reader.columns, rows[at]), error.code, str(error))

    made: list[bytes] = []
    for at, quick in enumerate(reader.quick(rows)):
        line = quick if quick is not None else redo(at) if rows[at].strip(WHITESPACE) else b""
        faults += [line] if isinstance(line, Rejection) else []
        made.append(rows[at] if isinstance(line, Rejection) else line)
    return replace(block, lines=[*made, *torn], faults=faults, redo=redo)
