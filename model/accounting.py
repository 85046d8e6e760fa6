"""Keys of instances, predictions and errors -> one status per instance, and what belongs to no instance.

Polars holds one row per line as text; ten million lines take about two gigabytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from model.rejections import BYTE_ORDER_MARK
from model.result_lines import Failure, Prediction, read_error, read_instance, read_prediction

BLOCK = 65_536  # lines that are Python objects at one time
LISTED = 10  # how many of each kind a summary names

JOINED, FAILED, MISSING, AMBIGUOUS = "joined", "failed", "missing", "ambiguous"

T = TypeVar("T")


@dataclass
class Lines:
    """Everything read: frames of keys, and the lines that could not be read."""

    instances: pl.DataFrame
    predictions: pl.DataFrame
    errors: pl.DataFrame
    fields: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    malformed: list[str] = field(default_factory=list)  # the first of them
    malformed_count: int = 0

    def complain(self, file: Path, line: int, reason: str) -> None:
        """Count a line of a shard that nothing can be made of."""
        self.malformed_count += 1
        if len(self.malformed) < LISTED:
            self.malformed.append(f"{file.name}:{line} {reason}")


def read(instances: Path, shards: Iterable[Path], errors: Iterable[Path]) -> Lines:
    """Read all keys and predictions; a line that cannot be read is counted, never an exception."""
    lines = Lines(pl.DataFrame(), pl.DataFrame(), pl.DataFrame())
    failures: list[Failure] = []
    lines.instances = _instances(lines, instances)
    lines.predictions = _predictions(lines, shards, failures)
    lines.errors = _errors(lines, errors, failures)
    return lines


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number from 1; a byte order mark is no part of the first."""
    with file.open("rb") as opened:
        for number, raw in enumerate(opened, 1):
            line = (raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if line:
                yield number, line


def in_blocks(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of at most `BLOCK` rows."""
    block: list[T] = []
    for row in rows:
        block.append(row)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def _instances(lines: Lines, file: Path) -> pl.DataFrame:
    """Return one row per instance, in order; `key` is null where a line has none that can be read."""
    schema = {"line": pl.UInt32, "key": pl.String}
    keys = ((number, _instance_key(lines, line)) for number, line in numbered_lines(file))
    frames = [pl.DataFrame(block, schema=schema, orient="row") for block in in_blocks(keys)]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _instance_key(lines: Lines, line: bytes) -> str | None:
    try:
        key, fields = read_instance(line)
    except ValueError:
        return None
    lines.fields.update(fields)
    return key


def _predictions(lines: Lines, shards: Iterable[Path], failures: list[Failure]) -> pl.DataFrame:
    """Return one row per prediction; failures that stand among the results go to `failures`."""
    schema = {"key": pl.String, "outputs": pl.String}
    found = _readable_predictions(lines, shards, failures)
    frames = [pl.DataFrame(block, schema=schema, orient="row") for block in in_blocks(found)]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _readable_predictions(lines: Lines, shards: Iterable[Path], failures: list[Failure]) -> Iterator[tuple[str, str]]:
    for file in shards:
        for number, line in numbered_lines(file):
            try:
                read_line = read_prediction(line)
            except ValueError as error:
                lines.complain(file, number, str(error))
                continue
            if isinstance(read_line, Prediction):
                lines.outputs.update(read_line.names)
                yield read_line.key, read_line.outputs
            else:
                failures.append(read_line)


def _errors(lines: Lines, files: Iterable[Path], failures: list[Failure]) -> pl.DataFrame:
    """Return one row per error record."""
    schema = {"key": pl.String, "code": pl.String, "message": pl.String, "rows": pl.Int64}
    found = [*failures]
    for file in files:
        for number, line in numbered_lines(file):
            try:
                found.append(read_error(line))
            except ValueError as error:
                lines.complain(file, number, str(error))
    rows = [(failure.key, failure.code, failure.message, failure.rows) for failure in found]
    return pl.DataFrame(rows, schema=schema, orient="row")


def classify(lines: Lines) -> pl.DataFrame:
    """Give each instance its status and, where it is joined, its outputs; rows stay in the instances' order."""
    counted = lines.instances.group_by("key").agg(pl.len().alias("asked"))
    predicted = lines.predictions.group_by("key").agg(
        pl.len().alias("answers"), pl.col("outputs").n_unique().alias("versions"), pl.col("outputs").first()
    )
    refused = lines.errors.drop_nulls("key").group_by("key").agg(pl.len().alias("refusals"))
    rows = lines.instances
    for frame in (counted, predicted, refused):
        rows = rows.join(frame, on="key", how="left", maintain_order="left")
    return _spread_keyless(rows.with_columns(_status().alias("status")), _keyless(lines.errors))


def _status() -> pl.Expr:
    """Decide by counts of instances, predictions and refusals that have the same key."""
    answers, refusals = pl.col("answers").fill_null(0), pl.col("refusals").fill_null(0)
    one = pl.col("asked") == 1
    return (
        pl.when(one & (answers > 0) & (pl.col("versions") == 1))
        .then(pl.lit(JOINED))
        .when(answers > 0)
        .then(pl.lit(AMBIGUOUS))
        .when(refusals >= pl.col("asked"))
        .then(pl.lit(FAILED))
        .when(refusals > 0)
        .then(pl.lit(AMBIGUOUS))
        .otherwise(pl.lit(MISSING))
    )


def _keyless(errors: pl.DataFrame) -> int:
    """Count the rows that error records without a key stand for, other than a service's whole failed batches."""
    return errors.filter(pl.col("key").is_null() & (pl.col("code") != "BATCH_FAILED")).height


def _spread_keyless(rows: pl.DataFrame, keyless: int) -> pl.DataFrame:
    """Call instances without a readable key failed, as far as error records without a key account for them."""
    unreadable = pl.col("key").is_null()
    covered = unreadable & (unreadable.cum_sum() <= keyless)
    status = pl.when(covered).then(pl.lit(FAILED)).when(unreadable).then(pl.lit(MISSING)).otherwise("status")
    return rows.with_columns(status.alias("status"))
