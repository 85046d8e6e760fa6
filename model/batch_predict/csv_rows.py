"""Rows of a CSV file -> JSON instances: by the model's inputs, or as Vertex AI sends them.

Cells hold no line ends, so a file can be cut at them. By the inputs, a cell's text is read as its input's dtype and
quotes only quote; in Vertex AI's arrays, quoted cells are strings and all others floats.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson

from model.batch_predict.csv_columns import Columns, Field

CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
NUMBER = re.compile(r"([+-]?)(0*)(\d*)(?:\.(\d*))?([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)
PLAIN = b"0123456789+-.eE, \t\r"  # bytes of rows that hold numbers only


class RowError(ValueError):
    """Why a row is no instance."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Cell = tuple[str, bool]  # text, and whether it was quoted


@dataclass(frozen=True)
class RowReader:
    """Makes instances of one file's rows."""

    columns: Columns

    @cached_property
    def _template(self) -> bytes:
        """The instance with a place for every cell."""
        if not self.columns.fields:
            return b"[" + b", ".join([b"%b"] * len(self.columns.header)) + b"]"
        return b"{" + b", ".join(_slot(field) for field in self.columns.fields) + b"}"

    @cached_property
    def _order(self) -> list[int]:
        """The columns in the order of the template's places."""
        places = [place for field in self.columns.fields for place in field.columns]
        return places or list(range(len(self.columns.header)))

    @cached_property
    def _dtypes(self) -> list[str]:
        return [field.dtype for field in self.columns.fields for _ in field.columns]

    @cached_property
    def _texts(self) -> list[int]:
        """The columns that may hold text."""
        return [place for place, dtype in zip(self._order, self._dtypes, strict=False) if dtype in {"string", ""}]

    def careful(self, row: bytes) -> bytes:
        """Return a row's instance, cell by cell.

        Raises:
            RowError: it is no row of this header.
        """
        cells = list(cells_of(_text(row)))
        header = self.columns.header
        if len(cells) != len(header):
            raise RowError("WRONG_LENGTH", f"the row has {len(cells)} cells: the header names {len(header)}")
        if self.columns.fields:
            values = [typed(cells[at][0], kind) for at, kind in zip(self._order, self._dtypes, strict=True)]
        else:
            values = [_as_sent(cell, name) for cell, name in zip(cells, header, strict=True)]
        return self._template % tuple(values)

    def quick(self, rows: Sequence[bytes]) -> list[bytes | None]:
        """Return the instances of the rows that need no care, None for others.

        A number is copied as it stands: where it is none, the instance is no JSON, and `careful` says why.
        """
        if not self.columns.fields:
            return self._quick_arrays(rows)
        template, order, texts, count = self._template, self._order, self._texts, len(self.columns.header)
        dtypes = dict(zip(order, self._dtypes, strict=True))
        plain = order == list(range(count))
        made: list[bytes | None] = []
        for row in rows:
            cells = row.split(b",")
            if b'"' in row or len(cells) != count or (texts and not _is_utf8(row)):
                made.append(None)
                continue
            if texts:
                cells[-1] = cells[-1].removesuffix(b"\r")
                for at in texts:
                    cells[at] = typed(cells[at].decode(), dtypes[at])
            made.append(template % (tuple(cells) if plain else tuple([cells[at] for at in order])))
        return made

    def _quick_arrays(self, rows: Sequence[bytes]) -> list[bytes | None]:
        count = len(self.columns.header)
        made: list[bytes | None] = []
        for row in rows:
            cells = row.split(b",")
            try:
                fits = len(cells) == count and not row.translate(None, PLAIN)
                numbers = [float(cell) for cell in cells] if fits else []
                made.append(b"[" + b", ".join([repr(number).encode() for number in numbers]) + b"]" if fits else None)
            except ValueError:
                made.append(None)
        return made


def _slot(field: Field) -> bytes:
    places = b", ".join([b"%b"] * len(field.columns))
    name = orjson.dumps(field.name).replace(b"%", b"%%")
    return name + b": " + (b"[" + places + b"]" if field.vector else places)


def cells_of(row: str) -> Iterator[Cell]:
    """Yield a row's cells as RFC 4180 has it.

    Raises:
        RowError: a quote is not closed, or stands inside an unquoted cell.
    """
    position, number = 0, 0
    while position >= 0:
        match, number = CELL.match(row, position), number + 1
        if match is None:
            raise RowError("INVALID_CSV", f"cell {number} {_fault(row[position:])}")
        quoted = match[1] is not None
        yield (match[1].replace('""', '"') if quoted else match[2], quoted)
        position = match.end() if match[3] == "," else -1


def _fault(rest: str) -> str:
    if not rest.startswith('"'):
        return "has a quote inside: quote the whole cell, and double the quote"
    if re.match(r'"(?:[^"]|"")*"', rest):
        return "goes on behind its closing quote"
    return "has no closing quote on its line: cells hold no line ends"


def typed(text: str, dtype: str) -> bytes:
    """Return a cell as JSON of its input's dtype; what is none becomes a string, which the decoder then refuses."""
    if dtype == "string":
        return orjson.dumps(text)
    if dtype == "bool":
        return text.strip().lower().encode() if text.strip().lower() in {"true", "false"} else orjson.dumps(text)
    number = json_number(text.strip())
    return orjson.dumps(text) if number is None else number.encode()


def json_number(text: str) -> str | None:
    """Return a number as JSON writes it (`.5` as 0.5), NaN and Infinity as they stand, None for other text."""
    if JSON_NUMBER.fullmatch(text):
        return text
    if NOT_FINITE.fullmatch(text):
        return "NaN" if "nan" in text.lower() else ("-" if text.startswith("-") else "") + "Infinity"
    match = NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3] or match[4]) or (match[2] and (match[3] or len(match[2]) > 1)):
        return None  # no digits, or zeros in front: 007 is a name as often as a number
    sign = "-" if match[1] == "-" else ""
    whole, fraction = match[2] or match[3] or "0", f".{match[4]}" if match[4] else ""
    return f"{sign}{whole}{fraction}{match[5] or ''}"


def _as_sent(cell: Cell, column: str) -> bytes:
    """Return a cell as Vertex AI sends it."""
    text, quoted = cell
    if quoted:
        return orjson.dumps(text)
    number = json_number(text.strip())
    if number is None:
        shown = orjson.dumps(text[:60]).decode()
        raise RowError("INVALID_CSV", f"column {column!r} is {shown}: a number, or text in double quotes, is expected")
    return (repr(float(number)) if math.isfinite(float(number)) else number).encode()


def _text(row: bytes) -> str:
    try:
        return row.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the line (0x{row[error.start]:02x}) is not UTF-8"
        raise RowError("INVALID_UTF8", message) from None


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True
