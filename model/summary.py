"""Classified rows -> the account that a person and a program read: what became of every instance."""

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from model.accounting import AMBIGUOUS, FAILED, JOINED, LISTED, MISSING, Lines
from model.result_lines import key_value


@dataclass(frozen=True)
class Listed:
    """How many there are, and the first of them."""

    count: int
    first: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What became of every row: instances = joined + failed + missing + ambiguous.

    `complete` says that each instance has its prediction or its error, and that nothing else came back.
    """

    complete: bool
    instances: int
    predicted: int
    joined: int
    failed: int
    missing: Listed
    ambiguous: Listed
    unreadable: Listed  # line numbers of instances without a key; each is failed or missing too
    duplicate_instances: Listed
    duplicate_predictions: Listed
    unknown: Listed
    unknown_errors: Listed
    malformed: Listed
    errors: dict[str, int]
    first_errors: tuple[dict[str, Any], ...]
    rmse: float | None
    rmse_rows: int
    files: dict[str, str]
    seconds: float


def summarise(lines: Lines, rows: pl.DataFrame, squared: list[float], files: dict[str, str], seconds: float) -> Summary:
    """Count, and say whether every row is accounted for."""
    count = dict(rows.group_by("status").len().iter_rows())
    odd = _oddities(lines, rows)
    contradicted = rows.filter((pl.col("status") == JOINED) & (pl.col("refusals") > 0)).height
    return Summary(
        complete=not contradicted and not any(listed.count for listed in odd.values()),
        instances=rows.height,
        predicted=lines.predictions.height,
        joined=count.get(JOINED, 0),
        failed=count.get(FAILED, 0),
        **odd,
        unreadable=_listed(rows.filter(pl.col("key").is_null())["line"]),
        errors=dict(lines.errors.group_by("code").agg(pl.col("rows").sum()).sort("code").iter_rows()),
        first_errors=tuple(lines.errors.head(LISTED).iter_rows(named=True)),
        rmse=math.sqrt(math.fsum(squared) / len(squared)) if squared else None,
        rmse_rows=len(squared),
        files=files,
        seconds=round(seconds, 3),
    )


def _oddities(lines: Lines, rows: pl.DataFrame) -> dict[str, Listed]:
    """Find all that makes a result incomplete."""
    return {
        "missing": _listed_keys(rows.filter(pl.col("status") == MISSING)["key"]),
        "ambiguous": _listed_keys(rows.filter(pl.col("status") == AMBIGUOUS)["key"]),
        "duplicate_instances": _listed_keys(rows.filter(pl.col("asked") > 1)["key"].unique(maintain_order=True)),
        "duplicate_predictions": _listed_keys(rows.filter(pl.col("answers") > pl.col("asked"))["key"]),
        "unknown": _listed_keys(_without_instance(lines.predictions, rows)),
        "unknown_errors": _listed_keys(_without_instance(lines.errors.drop_nulls("key"), rows)),
        "malformed": Listed(lines.malformed_count, tuple(lines.malformed)),
    }


def _without_instance(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    return frame.join(rows, on="key", how="anti")["key"].unique(maintain_order=True)


def _listed(values: pl.Series) -> Listed:
    return Listed(len(values), tuple(values.head(LISTED)))


def _listed_keys(keys: pl.Series) -> Listed:
    """List keys as the values they are; one that no line could give is None."""
    return Listed(len(keys), tuple(None if text is None else key_value(text) for text in keys.head(LISTED)))


def describe(summary: Summary) -> str:
    """Say in lines what became of the rows; what is wrong stands in lines of its own."""
    state = "complete" if summary.complete else "NOT COMPLETE"
    lines = [f"{state}: {summary.joined:,} of {summary.instances:,} instances joined, {summary.failed:,} failed"]
    lines += [f"  {code}: {rows:,}{_example(summary, code)}" for code, rows in summary.errors.items()]
    if summary.rmse is not None:
        lines.append(f"RMSE {summary.rmse:.3f} over {summary.rmse_rows:,} rows")
    for name in ("missing", "ambiguous", "duplicate_instances", "duplicate_predictions", "unknown", "unknown_errors"):
        found: Listed = getattr(summary, name)
        if found.count:
            lines.append(f"{name.replace('_', ' ')}: {found.count:,} {_keys(found)}")
    if summary.malformed.count:
        lines.append(f"lines that cannot be read: {summary.malformed.count:,} ({_listing(summary.malformed)})")
    return "\n".join(lines)


def _example(summary: Summary, code: str) -> str:
    """Quote the first of the errors with a code."""
    first = next((error for error in summary.first_errors if error["code"] == code), None)
    return f", such as key {first['key']}: {first['message']}" if first and first["message"] else ""


def _keys(found: Listed) -> str:
    return f"key{'s' if found.count > 1 else ''} ({_listing(found)})"


def _listing(found: Listed) -> str:
    return ", ".join([*map(repr, found.first), *["…"] * (found.count > len(found.first))])
