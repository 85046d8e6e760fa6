"""How far a pipeline is, for people: its shards' records tell, wherever its workers are. Quiet where it is piped."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from model.batch_predict.shard import Counts
from model.beam_predict.files import names_in, read
from model.beam_predict.work import DUPLICATES, PLAN, WORK, ShardDone, Work

LOOK_SECONDS = 5.0


@contextmanager
def progress(work: Work) -> Iterator[None]:
    """Say now and then how much is done, while the block runs."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tell, args=(work, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tell(work: Work, ended: threading.Event) -> None:
    counts: dict[str, Counts] = {}
    _look(work, counts)
    started, before = time.monotonic(), sum(count.instances for count in counts.values())
    while not ended.wait(LOOK_SECONDS):
        with suppress(OSError):  # the next look may be luckier
            _look(work, counts)
        print(line_of(counts, work.plan.shards, before, time.monotonic() - started), file=sys.stderr, flush=True)


def _look(work: Work, counts: dict[str, Counts]) -> None:
    """Note the shards that are done since the last look."""
    known = {PLAN, DUPLICATES, *counts}
    for name in names_in(work.place(WORK)):
        if name.endswith(".json") and name not in known and (kept := read(work.place(WORK, name))):
            counts[name] = msgspec.json.decode(kept, type=ShardDone).counts


def line_of(counts: dict[str, Counts], shards: int, before: int, seconds: float) -> str:
    """Say how far a pipeline is; `before` are the rows that were done before the `seconds` it has run."""
    rows, failed = (sum(getattr(count, name) for count in counts.values()) for name in ("instances", "failed"))
    rate, left = (rows - before) / seconds, shards - len(counts)
    text = f"{len(counts)} of {shards} shards, {rows:,} rows, {failed:,} failed, {rate:,.0f} rows/s"
    return f"{text}, {left * rows / len(counts) / rate:,.0f} s left" if rate else text
