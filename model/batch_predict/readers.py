"""A range of an input file, whatever its format -> blocks of JSON instances."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, cast

from model.batch_predict.blocks import Block, Position, read_blocks
from model.batch_predict.csv_blocks import read_row_blocks
from model.batch_predict.csv_columns import Columns, HeaderError, columns_of, read_header
from model.batch_predict.file_lists import read_listed_blocks
from model.batch_predict.formats import LINES, Format, refusal
from model.batch_predict.gzip_stream import GzipStream
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Range
from model.batch_predict.settings import BLOCK_SIZE, LONGEST_LINE, UnusableError
from model.batch_predict.tf_records import read_record_blocks
from model.instances import WHITESPACE
from model.signature import Signature

Headers = Mapping[str, Columns]  # of CSV files, by name


def read_headers(files: Sequence[InputFile], signature: Signature, rows: str = "", key: str = "") -> Headers:
    """Check that every file's format suits the model, and return what its columns fill; `key` names one not sent.

    Raises:
        UnusableError: a format that the model cannot take, or a header that does not name its inputs.
    """
    headers = {}
    for file in files:
        if message := refusal(file.format, signature):
            msg = f"Cannot predict {file.name!r}: {message}"
            raise UnusableError(msg)
        if file.format is Format.CSV:
            try:
                headers[file.name] = columns_of(read_header(_first_line(file)), signature, rows, key)
            except HeaderError as error:
                msg = f"Cannot predict {file.name!r}: {error}"
                raise UnusableError(msg) from None
    return headers


def _first_line(file: InputFile) -> bytes:
    """Return a file's first line, and look no further: what is wrong behind it is its instances' matter.

    Raises:
        HeaderError: it is not there whole.
    """
    raw = GzipStream(file) if file.gzipped else None
    with cast(BinaryIO, io.BufferedReader(raw)) if raw else file.open() as stream:
        line = stream.readline(LONGEST_LINE)
    if raw and raw.damage and not line.endswith(b"\n"):
        raise HeaderError(raw.damage.message)
    return line.removesuffix(b"\n")


def read_instances(
    file: InputFile, part: Range, since: Position | None, headers: Headers, size: int = BLOCK_SIZE
) -> Iterator[Block]:
    """Yield the blocks of a range, or those that are left since a position."""
    if file.format is Format.JSONL:
        return read_blocks(file, part, since, size)
    if file.format is Format.CSV:
        return read_row_blocks(file, part, since, headers[file.name], size)
    if file.format is Format.FILE_LIST:
        return read_listed_blocks(file, part, since)
    return read_record_blocks(file, since, size)


def count_instances(file: InputFile, part: Range, since: Position | None) -> int:
    """Count the instances of a range, or those that are left since a position, without making them."""
    if file.format in LINES:
        blocks = read_blocks(file, part, since)
        header = file.format is Format.CSV and part.start == 0 and since is None
        counted = -int(header)
        for block in blocks:
            counted = 1 if block.voids else counted + sum(bool(line.strip(WHITESPACE)) for line in block.lines)
        return counted
    return sum(len(block.lines) for block in read_record_blocks(file, since))
