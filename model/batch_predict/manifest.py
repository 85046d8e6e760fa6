"""The end of a run: the books are checked from independent counts, and the manifest is made of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from model.batch_predict.blocks import Position
from model.batch_predict.folder import Folder, complete_plan, published
from model.batch_predict.readers import count_instances
from model.batch_predict.scan import Scan
from model.batch_predict.settings import State
from model.batch_predict.shard import Entry, last_entry, shard_files
from model.batch_predict.totals import Totals
from model.batch_predict.worker import Job


class AccountingError(AssertionError):
    """The counts of a run do not add up: a fault of the engine, never of the input."""


def not_attempted(job: Job, entries: Sequence[Entry]) -> int:
    """Count the instances that lie behind where each shard ended."""
    left = 0
    for parts, entry in zip(job.plan, entries, strict=True):
        for place in range(entry.part, len(parts)):
            resumed = place == entry.part and entry.offset >= 0
            since = Position(entry.offset, entry.range_lines) if resumed else None
            left += count_instances(job.files[parts[place].file], parts[place], since)
    return left


def make_manifest(
    job: Job, folder: Folder, scan: Scan, totals: Totals, left: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises:
        AccountingError: a line is missing, or counted twice.
    """
    entries = [last_entry(shard_files(folder.work, number)) for number in range(len(job.plan))]
    counts = totals.counts
    _check(counts.instances == sum(entry.counts.instances for entry in entries), "journals and messages differ")
    _check(counts.instances == counts.predicted + counts.failed, f"{counts}")
    if totals.state is State.FINISHED:
        _check(left == 0, f"{left} instances were not read")
        if None not in scan.lines:
            _check(counts.lines == sum(filter(None, scan.lines)), f"{scan.lines} lines in the files, {counts}")
    return {
        "state": totals.state,
        "instances": counts.instances + left,
        "predicted": counts.predicted,
        "failed": counts.failed,
        "not_attempted": left,
        "blank_lines": counts.blank,
        "error_codes": counts.codes,
        "stopped_at": totals.stopped_at,
        "shards": [_shard(folder, number, entry) for number, entry in enumerate(entries)],
        "plan": msgspec.to_builtins(complete_plan(folder.plan, scan, job.settings.saved_model)),
        **facts,
    }


def _shard(folder: Folder, number: int, entry: Entry) -> dict[str, Any]:
    results, errors = published(folder.output, number, folder.plan.shards)
    return {
        "file": results.name,
        "rows": entry.counts.predicted,
        "sha256": entry.results_sha256,
        "errors_file": errors.name,
        "errors": entry.counts.failed,
        "errors_sha256": entry.errors_sha256,
    }


def _check(holds: bool, what: str) -> None:
    if not holds:
        msg = f"The books do not balance: {what}"
        raise AccountingError(msg)
