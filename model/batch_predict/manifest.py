"""The end of a run: the books are checked from independent counts, and the manifest is made of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from model.batch_predict.blocks import Position
from model.batch_predict.duplicate_keys import facts_of, find_duplicates, refuse_duplicates
from model.batch_predict.folder import Folder, shard_names
from model.batch_predict.identity import Plan, complete_plan
from model.batch_predict.readers import count_instances
from model.batch_predict.scan import Scan
from model.batch_predict.settings import State
from model.batch_predict.shard import Counts, Entry, last_entry, shard_files
from model.batch_predict.tables import TableFormat
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


def duplicate_facts(job: Job) -> dict[str, Any]:
    """Return how many instances have another's key, and where the first of them stand.

    Raises:
        UnusableError: there are such, and the policy calls that an error.
    """
    parts = {part.number: part for shard in job.plan for part in shard}
    notes = [shard_files(job.folder, number).notes for number in range(len(job.plan))]
    found = find_duplicates([file for file in notes if file.exists()], sorted(parts), job.folder)

    def place(number: int, line: int) -> str:
        part = parts[number]
        before = job.lines_before[number] if part.start else 0
        return f"{job.files[part.file].name} line {before + line + 1}"

    facts = facts_of(found, place)
    if job.settings.on_duplicate_key == "error":
        refuse_duplicates(facts)
    return facts


def make_manifest(
    job: Job, folder: Folder, scan: Scan, totals: Totals, left: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises:
        AccountingError: a line is missing, or counted twice.
    """
    entries = [last_entry(shard_files(folder.work, number)) for number in range(len(job.plan))]
    counts = totals.counts
    check(counts.instances == sum(entry.counts.instances for entry in entries), "journals and messages differ")
    if totals.state is State.FINISHED:
        check(left == 0, f"{left} instances were not read")
        check_lines(counts, scan)
    kind = TableFormat(folder.plan.predictions_format)
    shards = [shard_record(number, folder.plan.shards, entry, kind) for number, entry in enumerate(entries)]
    plan = complete_plan(folder.plan, scan, job.settings.saved_model)
    outcome = {"state": totals.state, "not_attempted": left, "stopped_at": totals.stopped_at}
    return manifest_of(counts, plan, shards, outcome, facts)


def manifest_of(
    counts: Counts, plan: Plan, shards: list[dict[str, Any]], outcome: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """Return a manifest: the counts of all shards, what became of the run, what it was planned and run with."""
    check(counts.instances == counts.predicted + counts.failed, f"{counts}")
    return {
        "state": outcome["state"],
        "instances": counts.instances + outcome["not_attempted"],
        "predicted": counts.predicted,
        "failed": counts.failed,
        "not_attempted": outcome["not_attempted"],
        "blank_lines": counts.blank,
        "error_codes": counts.codes,
        "stopped_at": outcome["stopped_at"],
        "shards": shards,
        "plan": msgspec.to_builtins(plan),
        **facts,
    }


def shard_record(number: int, shards: int, entry: Entry, kind: TableFormat = TableFormat.JSONL) -> dict[str, Any]:
    """Return what the manifest says of a shard."""
    results, errors = shard_names(number, shards, kind)
    return {
        "file": results,
        "rows": entry.counts.predicted,
        "sha256": entry.results_sha256,
        "errors_file": errors,
        "errors": entry.counts.failed,
        "errors_sha256": entry.errors_sha256,
    }


def check_lines(counts: Counts, scan: Scan) -> None:
    """Hold the lines that were read against those that the scan found."""
    if None not in scan.lines:
        check(counts.lines == sum(filter(None, scan.lines)), f"{scan.lines} lines in the files, {counts}")


def check(holds: bool, what: str) -> None:
    """Refuse books that do not balance."""
    if not holds:
        msg = f"The books do not balance: {what}"
        raise AccountingError(msg)
