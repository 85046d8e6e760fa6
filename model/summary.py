"""Verdicts -> the account that a person and a program read: what became of every instance."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from model.accounting import Verdicts
from model.joining import Written
from model.reading import Read


@dataclass(frozen=True)
class Listed:
    """How many there are, and the first of them."""

    count: int
    first: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What became of every row: instances = joined + failed + missing + ambiguous.

    `complete` says that each instance has its prediction or its error, and that nothing else came back. `errors` counts
    rows by code, and whole batches where a service says no more.
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


def summarise(found: Read, verdicts: Verdicts, written: Written, files: dict[str, str], seconds: float) -> Summary:
    """Count, and say whether every row is accounted for."""
    odd = {name: Listed(keys.count, tuple(keys.first)) for name, keys in written.odd.items()}
    odd |= {name: Listed(keys.count, tuple(keys.first)) for name, keys in verdicts.lists.items()}
    odd["malformed"] = Listed(found.malformed_count, tuple(found.malformed))
    return Summary(
        complete=not verdicts.contradicted and not any(listed.count for listed in odd.values()),
        instances=found.rows,
        predicted=found.predicted,
        joined=written.joined,
        failed=written.failed,
        **odd,
        unreadable=Listed(found.unreadable_count, tuple(found.unreadable)),
        errors=dict(sorted(found.errors.items())),
        first_errors=tuple(asdict(failure) for failure in found.first_errors),
        rmse=math.sqrt(written.squares / written.squared) if written.squared else None,
        rmse_rows=written.squared,
        files=files,
        seconds=round(seconds, 3),
    )


def describe(summary: Summary) -> str:
    """Say in lines what became of the rows; what is wrong stands in lines of its own."""
    state = "complete" if summary.complete else "NOT COMPLETE"
    lines = [f"{state}: {summary.joined:,} of {summary.instances:,} instances joined, {summary.failed:,} failed"]
    lines += [f"  {code}: {count:,}{_example(summary, code)}" for code, count in summary.errors.items()]
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
    if not first or not first["message"]:
        return ""
    if first["batches"]:
        return f" (whole batches, whose rows the service does not name), such as: {first['message']}"
    which = "a line without a key" if first["key"] is None else f"key {first['key']}"
    return f", such as {which}: {first['message']}"


def _keys(found: Listed) -> str:
    return f"key{'s' if found.count > 1 else ''} ({_listing(found)})"


def _listing(found: Listed) -> str:
    return ", ".join([*map(repr, found.first), *["…"] * (found.count > len(found.first))])
