"""Result shards that are CSV or Parquet tables -> the lines that they were made of, which is what joins read.

The manifest beside a table says what its columns are: the signature names every output's dtype and shape.
"""

import csv
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from model.batch_predict.folder import MANIFEST
from model.batch_predict.settings import LONGEST_LINE
from model.batch_predict.tables import ROWS, TableFormat, csv_columns
from model.classic_tables import classic_lines, is_classic_table
from model.errors import UserError, unreadable
from model.signature import TensorSpec

if TYPE_CHECKING:  # a fifth of a second to import
    import polars as pl

TABLES = {TableFormat.CSV.suffix, TableFormat.PARQUET.suffix}
SPEC = re.compile(r"(.+?): (\w+)\[([^\]]*)\](?:, |$)")  # as a signature is printed
UNKNOWN = "unknown rank"
INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)

Row = tuple[dict[str, str], bytes]  # what stands before the prediction, as text; and the prediction


def is_table(file: Path) -> bool:
    """Whether a shard is a table."""
    return file.suffix in TABLES


def table_lines(file: Path, *, text_keys: bool) -> Iterator[tuple[int, bytes]]:
    """Yield number and line of each row; a table's own key column does not say if keys are text: `text_keys` does.

    Raises:
        UserError: it is no table of the batch engine or of AI Platform, or damaged.
    """
    import polars as pl  # noqa: PLC0415

    rows = _csv_rows if file.suffix == TableFormat.CSV.suffix else _parquet_rows
    try:
        if is_classic_table(file):
            yield from classic_lines(file, text_keys=text_keys)
            return
        for number, (heads, prediction) in enumerate(rows(file, _outputs(file)), 1):
            yield number, _line(heads, prediction, text_keys)
    except (csv.Error, pl.exceptions.PolarsError, UnicodeDecodeError, IndexError, KeyError) as error:
        raise unreadable(f"The table '{file}'", error, "Predict again with: --predictions-format jsonl") from None


def _line(heads: dict[str, str], prediction: bytes, text_keys: bool) -> bytes:
    if "key" in heads:
        key = heads["key"]
        bare = not text_keys and INTEGER.fullmatch(key)
        return b'{"key": %b, "prediction": %b}' % (key.encode() if bare else orjson.dumps(key), prediction)
    if "instance" in heads:
        return b'{"instance": %b, "prediction": %b}' % (_instance(heads["instance"]), prediction)
    return prediction


def _instance(text: str) -> bytes:
    """Return an echoed instance: JSON as it stands, but a text, such as a file's name, as a text."""
    try:
        return text.encode() if isinstance(json.loads(text), dict | list) else orjson.dumps(text)
    except ValueError:
        return orjson.dumps(text)


def _outputs(table: Path) -> list[TensorSpec]:
    """Return the outputs of the signature that the run's manifest names."""
    try:
        signature: str = json.loads((table.parent / MANIFEST).read_bytes())["plan"]["signature"]
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"'{table}' is a table without its run's {MANIFEST} beside it, which says what its columns are"
        raise UserError(f"{msg}. Predict again with: --predictions-format jsonl") from None
    written = SPEC.findall(signature.rpartition(" -> (")[2].removesuffix(")"))
    return [TensorSpec(alias, "", dtype, _shape(dims)) for alias, dtype, dims in written]


def _shape(dims: str) -> tuple[int | None, ...] | None:
    if dims == UNKNOWN:
        return None
    return tuple(None if size == "any" else int(size) for size in dims.split(", ") if size)


def _csv_rows(file: Path, outputs: list[TensorSpec]) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_LINE)
    columns = {spec.alias: csv_columns(spec) for spec in outputs}
    with file.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream, strict=True)
        header = next(rows, [])
        heads = list(takewhile(lambda name: name != columns[outputs[0].alias][0], header))
        place = {name: at for at, name in enumerate(header) if at >= len(heads)}
        cells = [(spec, [place[name] for name in columns[spec.alias]]) for spec in outputs]
        for row in rows:
            values = [(spec.alias, _of_cells(spec, [row[at] for at in places])) for spec, places in cells]
            yield dict(zip(heads, row, strict=False)), _object(values)


def _of_cells(spec: TensorSpec, cells: list[str]) -> bytes:
    """Return an output's value: numbers as they stand, numbered columns as the vector that they were."""
    if spec.shape is None or len(spec.shape) > 2 or (len(spec.shape) == 2 and spec.shape[1] is None):
        return cells[0].encode()
    values = [_cell(spec)(cell) for cell in cells]
    return b"[" + b", ".join(values) + b"]" if len(spec.shape) == 2 else values[0]


def _cell(spec: TensorSpec) -> Callable[[str], bytes]:
    if spec.dtype != "string":
        return str.encode
    return (lambda text: orjson.dumps({"b64": text})) if spec.alias.endswith("_bytes") else orjson.dumps


def _parquet_rows(file: Path, outputs: list[TensorSpec]) -> Iterator[Row]:
    import polars as pl  # noqa: PLC0415

    frame = pl.scan_parquet(file)
    heads = [name for name in frame.collect_schema() if name not in {spec.alias for spec in outputs}]
    count = frame.select(pl.len()).collect().item()
    for start in range(0, count, ROWS):
        rows = frame.slice(start, ROWS).collect()
        values = [_column(spec, rows[spec.alias]) for spec in outputs]
        texts = [rows[name].to_list() for name in heads]
        for at in range(len(rows)):
            pairs = [(spec.alias, column[at]) for spec, column in zip(outputs, values, strict=True)]
            yield {name: text[at] for name, text in zip(heads, texts, strict=True)}, _object(pairs)


def _column(spec: TensorSpec, values: "pl.Series") -> list[bytes]:
    """Return a column's values as JSON; float32 as JSON Lines have it, which is its float64."""
    if spec.shape is None:
        return [text.encode() for text in values.to_list()]
    if spec.dtype == "string" and spec.alias.endswith("_bytes"):
        return [orjson.dumps(_base64(value)) for value in values.to_list()]
    return [msgspec.json.encode(value) for value in values.to_list()]


def _base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_base64(item) for item in value]
    return {"b64": b64encode(value).decode()}


def _object(pairs: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b", ".join([orjson.dumps(name) + b": " + value for name, value in pairs]) + b"}"
