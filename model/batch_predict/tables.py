"""A whole shard of result lines -> the same rows as CSV or Parquet, typed by the model's signature.

A run writes JSON Lines, which can go on after a kill; a shard becomes a table when it is published.
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from model.signature import Signature, TensorSpec

if TYPE_CHECKING:  # a fifth of a second to import, which JSON Lines need not wait for
    import polars as pl

ROWS = 65_536  # rows that are Python objects at one time
INTEGERS = {"int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64"}
INTEGERS |= {"uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64"}


class TableFormat(StrEnum):
    """Formats of predictions."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def suffix(self) -> str:
        """What a shard's name ends in."""
        return "" if self is TableFormat.JSONL else f".{self.value}"


@dataclass(frozen=True)
class Table:
    """How a signature's result lines become columns. `heads` stand before the prediction: the instance, or the key."""

    signature: Signature
    kind: TableFormat
    heads: tuple[str, ...] = ()

    def write(self, lines: Path, target: Path) -> None:
        """Write a shard's lines as a table; the same lines always give the same bytes."""
        if self.kind is TableFormat.PARQUET:
            self._write_parquet(lines, target)
            return
        with target.open("wb") as file:
            for number, frame in enumerate(self._frames(lines)):
                frame.write_csv(file, include_header=number == 0, quote_style="non_numeric")

    def _write_parquet(self, lines: Path, target: Path) -> None:
        from polars.io.plugins import register_io_source  # noqa: PLC0415

        def frames(columns: list[str] | None, *_: object) -> Iterator["pl.DataFrame"]:
            for frame in self._frames(lines):
                yield frame.select(columns) if columns is not None else frame

        register_io_source(frames, schema=self._schema).sink_parquet(target, row_group_size=ROWS, maintain_order=True)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        import polars as pl  # noqa: PLC0415

        columns: dict[str, Any] = dict.fromkeys(self.heads, pl.String)
        for spec in self.signature.outputs:
            columns |= _csv_columns(spec) if self.kind is TableFormat.CSV else {spec.alias: _parquet_type(spec)}
        return columns

    def _frames(self, lines: Path) -> Iterator["pl.DataFrame"]:
        """Yield the rows as typed columns, and one frame without rows where there is none."""
        import polars as pl  # noqa: PLC0415

        with lines.open("rb") as file:
            block = list(islice(file, ROWS))
            while True:
                yield pl.DataFrame(self._columns(block), schema=self._schema)
                block = list(islice(file, ROWS))
                if not block:
                    return

    def _columns(self, block: list[bytes]) -> dict[str, list[Any]]:
        rows = [msgspec.json.decode(line) for line in block]
        columns: dict[str, list[Any]] = {name: [_text(row.get(name)) for row in rows] for name in self.heads}
        predictions = [row["prediction"] for row in rows] if self.heads else rows
        for spec in self.signature.outputs:
            values = [prediction[spec.alias] for prediction in predictions]
            columns |= _flat(spec, values) if self.kind is TableFormat.CSV else {spec.alias: _typed(spec, values)}
        return columns


def _text(value: Any) -> str:
    """Return a key or an instance as text: strings as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _scalar(spec: TensorSpec, *, as_text: bool = False) -> Any:
    import polars as pl  # noqa: PLC0415

    if spec.dtype in INTEGERS:
        return getattr(pl, INTEGERS[spec.dtype])
    if spec.dtype == "bool":
        return pl.Boolean
    if spec.dtype == "string":
        return pl.Binary if spec.alias.endswith("_bytes") and not as_text else pl.String
    return pl.Float64 if as_text or spec.dtype == "float64" else pl.Float32


def _parquet_type(spec: TensorSpec) -> Any:
    """Return an output's type: vectors and matrices are lists; what has no known rank is JSON text."""
    import polars as pl  # noqa: PLC0415

    if spec.shape is None:
        return pl.String
    kind = _scalar(spec)
    for _ in spec.shape[1:]:
        kind = pl.List(kind)
    return kind


def _typed(spec: TensorSpec, values: list[Any]) -> list[Any]:
    if spec.shape is None:
        return [json.dumps(value) for value in values]
    return [_bytes(value) for value in values] if spec.alias.endswith("_bytes") and spec.dtype == "string" else values


def _bytes(value: Any) -> Any:
    return [_bytes(item) for item in value] if isinstance(value, list) else b64decode(value["b64"])


def csv_columns(spec: TensorSpec) -> list[str]:
    """Return the names of an output's columns in CSV."""
    width = _width(spec)
    return [spec.alias] if width in {None, 1} else [f"{spec.alias}_{number}" for number in range(width or 0)]


def _csv_columns(spec: TensorSpec) -> dict[str, Any]:
    """Return an output's columns: a vector of one is one, a longer one has numbered ones, all else is JSON text."""
    import polars as pl  # noqa: PLC0415

    width = _width(spec)
    if width is None:
        return {spec.alias: pl.String}
    return dict.fromkeys(csv_columns(spec), _scalar(spec, as_text=True))


def _width(spec: TensorSpec) -> int | None:
    if spec.shape is None or len(spec.shape) > 2:
        return None
    return spec.shape[1] if len(spec.shape) == 2 else 1


def _flat(spec: TensorSpec, values: list[Any]) -> dict[str, list[Any]]:
    """Return an output's columns; floats are the numbers that JSON Lines have, base64 stays text."""
    width = _width(spec)
    if width is None:
        return {spec.alias: [json.dumps(value, ensure_ascii=False) for value in values]}
    rows = values if spec.shape and len(spec.shape) == 2 else [[value] for value in values]
    names = list(_csv_columns(spec))
    return {name: [_cell(row[place]) for row in rows] for place, name in enumerate(names)}


def _cell(value: Any) -> Any:
    return value["b64"] if isinstance(value, dict) else value
