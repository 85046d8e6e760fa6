"""An instances file of any format -> its instances as lines of JSON, numbered as the batch engine numbers them."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from model.batch_predict.csv_columns import HeaderError, folded, read_header
from model.batch_predict.csv_rows import RowError, RowReader
from model.batch_predict.formats import Format, format_of
from model.batch_predict.tf_records import read_records
from model.errors import UserError
from model.rejections import BYTE_ORDER_MARK
from model.tf_examples import KEY, read_example

UNREADABLE = b"null"  # what stands for an instance that is not even text


@dataclass(frozen=True)
class Instances:
    """A file of instances, and the field that holds their key. `text_keys`: a CSV file's keys are all text."""

    path: Path
    format: Format = Format.JSONL
    text_keys: bool = False
    key: str = KEY

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and JSON object of each instance; a line that is none comes as it stands."""
        if self.format is Format.JSONL:
            return numbered_lines(self.path)
        if self.format is Format.CSV:
            return _rows(self)
        if self.format is Format.FILE_LIST:
            names = numbered_lines(self.path)
            return ((number, b'{"key":' + _name(name) + b"}") for number, name in names)
        return _examples(self)

    @property
    def size(self) -> int:
        """Roughly how many bytes of text it holds."""
        return self.path.stat().st_size * (5 if self.path.suffix == ".gz" else 1)


def instances_of(path: Path, kind: str = "", *, text_keys: bool = False, key: str = KEY) -> Instances:
    """Return a file's instances, in the format given or that its name tells.

    Raises:
        UserError: there is no such file.
    """
    if not path.is_file():
        raise UserError(f"No instances at '{path}'. Run: invoke predict")
    return Instances(path, Format(kind) if kind else format_of(path.name), text_keys, key)


def opened(path: Path) -> BinaryIO:
    """Open a file, compressed or not."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number from 1; a byte order mark is no part of the first."""
    with opened(file) as lines:
        for number, raw in enumerate(lines, 1):
            line = (raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if line:
                yield number, line


def _name(name: bytes) -> bytes:
    return orjson.dumps(name.decode(errors="replace"))


def _rows(instances: Instances) -> Iterator[tuple[int, bytes]]:
    with opened(instances.path) as lines:
        try:
            header = read_header(next(lines, b""))
        except HeaderError as error:
            raise UserError(f"Instances '{instances.path}' cannot be read: {error}") from None
        reader = RowReader(folded(header, {instances.key} if instances.text_keys else set()))
        for number, raw in enumerate(lines, 2):
            row = raw.rstrip(b"\r\n")
            if row.strip():
                yield number, _row(reader, row)


def _row(reader: RowReader, row: bytes) -> bytes:
    try:
        return reader.careful(row)
    except RowError:
        return row


def _examples(instances: Instances) -> Iterator[tuple[int, bytes]]:
    zipped = instances.format is Format.TF_RECORD_GZIP
    with cast(BinaryIO, gzip.open(instances.path)) if zipped else instances.path.open("rb") as stream:
        try:
            for number, record in enumerate(read_records(stream), 1):
                yield number, UNREADABLE if record.fault else _example(record.data)
        except (EOFError, gzip.BadGzipFile, OSError):
            yield 0, UNREADABLE  # the batch engine has an error record for it, without a key


def _example(record: bytes) -> bytes:
    """Return a serialized example's features as an object; its key is one value, all others are lists."""
    try:
        example = read_example(record)
    except ValueError:
        return UNREADABLE
    fields = {name: [_value(value) for value in values] for name, values in example.items()}
    key = fields.pop(KEY, None)
    return json.dumps({**fields, **({KEY: key[0]} if key and len(key) == 1 else {})}).encode()


def _value(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(value).decode()}
