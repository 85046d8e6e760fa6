"""All shards done -> the manifest: the books are checked against an independent reading of the inputs."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from model.batch_predict.identity import InputRecord
from model.batch_predict.inputs import changed_input
from model.batch_predict.listed_files import MARK_BITS
from model.batch_predict.manifest import check, check_lines, manifest_of, shard_record
from model.batch_predict.scan import Scan, changed_lists, scan_files
from model.batch_predict.settings import BrokenOffError, State
from model.batch_predict.shard import Counts, Entry
from model.beam_predict.duplicates import duplicate_facts
from model.beam_predict.files import remove_folder, whole
from model.beam_predict.work import DUPLICATES, WORK, ShardDone, Work

Digest = tuple[int, str, int | None, str, int]  # file, SHA-256, lines where they are instances, what a list names


def digest_file(number: int, work: Work) -> Digest:
    """Read an input once more, whole, for the manifest; an object's digest is known without.

    Raises:
        BrokenOffError: it has not the size that the run was planned with.
    """
    scan = scan_files([work.files[number]], [], None)
    return number, scan.digests[0], scan.lines[0], scan.contents[0], scan.marks


def finish(_: object, work: Work, shards: Iterable[ShardDone], digests: Iterable[Digest]) -> dict[str, Any]:
    """Write the manifest, last of all, and return it; where duplicate keys are refused, only what says so.

    Raises:
        AccountingError: a shard or a line is missing, or counted twice.
        BrokenOffError: an input changed meanwhile.
    """
    done = sorted(shards, key=lambda shard: shard.number)
    check([shard.number for shard in done] == list(range(work.plan.shards)), f"shards {len(done)}")
    counts = Counts()
    for shard in done:
        counts.add(shard.counts)
    found = [*sorted(digests)]
    _, sums, lines, contents, marks = (list(column) for column in zip(*found, strict=True))
    scan = Scan(sums, lines, contents, sum(marks) & MARK_BITS)
    _check_inputs(work, scan, done)
    check_lines(counts, scan)
    facts = {
        "runner": "+".join(sorted({shard.tensorflow for shard in done})),
        "fallback": "; ".join(sorted({shard.fallback for shard in done if shard.fallback})),
        "workers": work.settings.workers,
        "seconds": round(time.time() - work.started, 3),
        "beam": work.runner,
        **duplicate_facts(work, done),
    }
    if facts["duplicate_keys"] and work.settings.on_duplicate_key == "error":
        with whole(work.place(WORK, DUPLICATES)) as file:
            file.write(msgspec.json.encode(facts))
        return facts
    records = [shard_record(shard.number, work.plan.shards, _entry(shard)) for shard in done]
    outcome = {"state": State.FINISHED, "not_attempted": 0, "stopped_at": None}
    manifest = manifest_of(counts, _plan(work, found), records, outcome, facts)
    with whole(work.manifest) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    remove_folder(work.place(WORK))
    return manifest


def _check_inputs(work: Work, scan: Scan, done: Sequence[ShardDone]) -> None:
    """See that all was read of the same files; else nobody knows what the shards were made of, and none is kept."""
    name, lists = changed_input(work.files), changed_lists(work.files, scan, [shard.marks for shard in done])
    if name or lists:
        remove_folder(work.place(WORK))
        what = f"Input {name!r}" if name else f"A file that {lists} names"
        msg = f"{what} changed while it was read: all of it is predicted again"
        raise BrokenOffError(msg)


def _plan(work: Work, digests: Sequence[Digest]) -> Any:
    pairs = zip(work.plan.inputs, digests, strict=True)
    inputs: list[InputRecord] = [
        msgspec.structs.replace(record, sha256=digest, contents=held) for record, (_, digest, _, held, _) in pairs
    ]
    return msgspec.structs.replace(work.plan, inputs=inputs)


def _entry(shard: ShardDone) -> Entry:
    return Entry(counts=shard.counts, results_sha256=shard.results_sha256, errors_sha256=shard.errors_sha256)
