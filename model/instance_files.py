"""An instances file of any format -> its instances as lines of JSON, numbered as the batch engine numbers them."""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from model.batch_predict.csv_columns import Columns, HeaderError, folded, read_header
from model.batch_predict.csv_keys import readable_key
from model.batch_predict.csv_rows import RowError, RowReader
from model.batch_predict.formats import Format, format_of
from model.batch_predict.gzip_stream import Damage, GzipStream, buffered
from model.batch_predict.inputs import InputFile
from model.batch_predict.tf_records import read_records, unpacked
from model.errors import UserError
from model.instance_lines import refused_key
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

    @cached_property
    def columns(self) -> Columns:
        """A CSV file's columns, as its header alone tells them.

        Raises:
            UserError: it has none.
        """
        with _opened(self.path) as stream:
            try:
                header = read_header(stream.readline())
            except HeaderError as error:
                raise UserError(f"Instances '{self.path}' cannot be read: {error}") from None
        return folded(header, self.key, text_keys=self.text_keys)

    def refused_key(self, line: bytes) -> str | None:
        """Return the key that an error record has of a line that is no instance, as JSON text."""
        found = refused_key(line, self.key)
        if found is not None or self.format is not Format.CSV:
            return found
        key = readable_key(self.columns, line)
        return None if key is None else orjson.dumps(key).decode()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and JSON object of each instance; a line that is none comes as it stands."""
        if self.format is Format.JSONL:
            return numbered_lines(self.path)
        if self.format is Format.CSV:
            return _rows(self)
        if self.format is Format.FILE_LIST:
            names = numbered_lines(self.path, unreadable=b"?")
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


def numbered_lines(file: Path, unreadable: bytes = UNREADABLE) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number from 1; a byte order mark is no part of the first."""
    for number, raw, whole in _lines(file):
        line = (raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw).strip()
        if line or not whole:
            yield number, line or unreadable


def _lines(file: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number and line, and whether it is one: where a compressed file is damaged, what follows stands for that.

    The batch engine has one error record for it, at this line, or for all lines of a file of which any may be wrong.
    """
    damage = _damage(file) if file.suffix == ".gz" else None
    number, raw = 0, b"\n"
    with _opened(file) as lines:
        for number, raw in enumerate(() if damage and damage.spoils else lines, 1):
            if raw.endswith(b"\n") or not damage:
                yield number, raw, True
    if damage:
        torn = not raw.endswith(b"\n")
        yield number + (not torn), raw if torn else b"", False


def _opened(file: Path) -> BinaryIO:
    if file.suffix != ".gz":
        return file.open("rb")
    return buffered(_unzipping(file))


def _unzipping(file: Path) -> GzipStream:
    return GzipStream(InputFile(file, str(file), 0))


def _damage(file: Path) -> Damage | None:
    """Read a compressed file to its end, for only there its checksum is known."""
    buffer = memoryview(bytearray(1 << 20))
    with _unzipping(file) as stream:
        while stream.readinto(buffer):
            pass
        return stream.damage


def _name(name: bytes) -> bytes:
    return orjson.dumps(name.decode(errors="replace"))


def _rows(instances: Instances) -> Iterator[tuple[int, bytes]]:
    reader = RowReader(instances.columns)
    for number, raw, whole in _lines(instances.path):
        row = raw.rstrip(b"\r\n")
        if not whole:
            yield number, UNREADABLE
        elif number > 1 and row.strip():
            yield number, _row(reader, row)


def _row(reader: RowReader, row: bytes) -> bytes:
    try:
        return reader.careful(row)
    except RowError:
        return row


def _examples(instances: Instances) -> Iterator[tuple[int, bytes]]:
    zipped = instances.format is Format.TF_RECORD_GZIP
    raw = _unzipping(instances.path) if zipped else None
    with buffered(raw) if raw else instances.path.open("rb") as stream:
        records = unpacked(stream, 0, raw) if raw else read_records(stream)
        for number, record in enumerate(records, 1):
            yield number, UNREADABLE if record.fault else _example(record.data)


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
