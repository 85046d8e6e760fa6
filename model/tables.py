"""Joined JSON Lines -> Parquet and CSV, typed, streamed by Polars."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from model.files import replacing
from model.telling import told

BLOCK = 8 << 20  # bytes of lines that are parsed as one
ROWS = 65_536  # rows that are read and written as one
FORMATS = ("jsonl", "csv", "parquet")


def write_tables(lines: Path, formats: Collection[str]) -> None:
    """Write the wanted tables beside `lines`: lists stay lists in Parquet, and become columns in CSV."""
    parquet = lines.with_suffix(".parquet")
    if {"csv", "parquet"} & {*formats}:
        with replacing(parquet) as temporary:
            _typed(lines).sink_parquet(temporary, row_group_size=ROWS)
    if "csv" in formats:
        with replacing(lines.with_suffix(".csv")) as temporary, temporary.open("wb") as file:
            _write_csv(_flat(pl.scan_parquet(parquet)), file)
    if "parquet" not in formats:
        parquet.unlink(missing_ok=True)  # CSV is made from it: one reading of the JSON text, typed, instead of four


def _write_csv(frame: pl.LazyFrame, file: BinaryIO) -> None:
    """Write one slice of rows after the other: Polars' own streaming to CSV holds what it has not yet written."""
    rows = frame.select(pl.len()).collect().item()
    starts = range(0, rows or 1, ROWS)
    for start in told(starts, "parts of the CSV written", len(starts)):
        frame.slice(start, ROWS).collect().write_csv(file, include_header=start == 0)


def _typed(lines: Path) -> pl.LazyFrame:
    """Read with the types that all lines share, block by block; a file without lines is a table without rows."""
    count = -(-lines.stat().st_size // BLOCK)
    kinds = {tuple(_parsed(block).schema.items()): None for block in told(_blocks(lines), "parts typed", count)}
    if not kinds:
        return pl.LazyFrame(schema={"key": pl.Int64, "prediction": pl.List(pl.Float64)})
    schema = pl.concat([pl.DataFrame(schema=dict(kind)) for kind in kinds], how="diagonal_relaxed").schema

    def frames(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        for block in told(_blocks(lines), "parts of the table written", count):
            frame = _parsed(block, schema)
            yield frame.select(columns) if columns is not None else frame

    return register_io_source(frames, schema=schema)


def _parsed(block: bytes, schema: pl.Schema | None = None) -> pl.DataFrame:
    return pl.read_ndjson(block, schema=schema, infer_schema_length=None)


def _blocks(lines: Path) -> Iterator[bytes]:
    """Yield whole lines, a few megabytes at a time: what is read is never the whole file."""
    with lines.open("rb") as file:
        while block := file.read(BLOCK):
            yield block + file.readline()


def _flat(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Make columns of lists of one length (`features_0`, …); other nested values become JSON text."""
    schema = frame.collect_schema()
    nested = {name for name, kind in schema.items() if kind.is_nested()}
    lengths = _lengths(frame, [name for name in schema if _is_vector(schema[name])])
    columns = [column for name in schema for column in _columns(name, name in nested, lengths.get(name))]
    return frame.select(columns)


def _is_vector(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List) and not pl.List(kind.inner).inner.is_nested()


def _lengths(frame: pl.LazyFrame, vectors: list[str]) -> dict[str, int]:
    """Return the length of each list column whose lists all have the same one."""
    if not vectors:
        return {}
    lengths = frame.select(pl.col(vectors).list.len())
    [shortest], [longest] = lengths.min().collect().rows(), lengths.max().collect().rows()
    return {name: low for name, low, high in zip(vectors, shortest, longest, strict=True) if low and low == high}


def _columns(name: str, nested: bool, length: int | None) -> list[pl.Expr]:
    if not nested:
        return [pl.col(name)]
    if length is None:
        return [pl.struct(name).struct.json_encode().alias(name)]
    if length == 1:
        return [pl.col(name).list.first()]
    return [pl.col(name).list.get(place).alias(f"{name}_{place}") for place in range(length)]
