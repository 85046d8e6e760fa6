"""Joined JSON Lines -> Parquet and CSV, typed, streamed by Polars."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from model.files import replacing

FORMATS = ("jsonl", "csv", "parquet")


def write_tables(lines: Path, formats: Collection[str]) -> None:
    """Write the wanted tables beside `lines`: lists stay lists in Parquet, and become columns in CSV."""
    parquet = lines.with_suffix(".parquet")
    if {"csv", "parquet"} & {*formats}:
        with replacing(parquet) as temporary:
            _typed(lines).sink_parquet(temporary)
    if "csv" in formats:
        with replacing(lines.with_suffix(".csv")) as temporary:
            _flat(pl.scan_parquet(parquet)).sink_csv(temporary)
    if "parquet" not in formats:
        parquet.unlink(missing_ok=True)  # CSV is made from it: one reading of the JSON text, typed, instead of four


def _typed(lines: Path) -> pl.LazyFrame:
    """Read with the types that all lines share; a file without lines is a table without rows."""
    if not lines.stat().st_size:
        return pl.LazyFrame(schema={"key": pl.Int64, "prediction": pl.List(pl.Float64)})
    return pl.scan_ndjson(lines, infer_schema_length=None)


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
