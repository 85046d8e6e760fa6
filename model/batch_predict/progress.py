"""How far a run is, for people (standard error) and for programs (a file)."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from model.batch_predict.totals import Totals

Watch = Callable[[Totals], None]
FILE_SECONDS = 0.25
LINE_SECONDS = 5.0


def watch_file(path: Path) -> Watch:
    """Return a watch that keeps a JSON file up to date; a reader finds it whole at any moment."""
    temporary = path.with_name(path.name + ".tmp")

    def write(totals: Totals) -> None:
        counts = totals.counts
        state = {
            "instances": counts.instances,
            "predicted": counts.predicted,
            "failed": counts.failed,
            "total_bytes": totals.total_bytes,
            "read_bytes": totals.read_bytes,
        }
        temporary.write_bytes(orjson.dumps(state))
        temporary.replace(path)

    return _every(FILE_SECONDS, write, at_ends=True)


def watch_lines() -> Watch:
    """Return a watch that prints a line now and then, for terminals that draw nothing."""
    started, kept = time.monotonic(), _Kept()

    def line(totals: Totals) -> None:
        counts, seconds = totals.counts, time.monotonic() - started
        share, read = totals.read_bytes / max(1, totals.total_bytes), totals.read_bytes - kept.read_bytes
        rate = (counts.instances - kept.instances) / seconds
        left = f", {(totals.total_bytes - totals.read_bytes) * seconds / read:,.0f} s left" if read else ""
        text = f"{counts.instances:,} rows, {counts.failed:,} failed, {share:.0%}, {rate:,.0f} rows/s{left}"
        print(text, file=sys.stderr, flush=True)

    now_and_then = _every(LINE_SECONDS, line)

    def watch(totals: Totals) -> None:
        kept.note(totals)
        now_and_then(totals)

    return watch


@dataclass
class _Kept:
    """What was done before this process began: no part of its speed."""

    instances: int = -1
    read_bytes: int = 0

    def note(self, totals: Totals) -> None:
        """Take the first totals that are seen for what was done before."""
        if self.instances < 0:
            self.instances, self.read_bytes = totals.counts.instances, totals.read_bytes


def watch_bar(stack: ExitStack) -> Watch:
    """Return a watch that draws a bar until the stack is closed, for terminals."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and of no use without a terminal
    from rich.progress import Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (*Progress.get_default_columns()[:3], TextColumn("{task.fields[rows]}"), TimeRemainingColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
    task, kept = progress.add_task("predicting", rows=""), _Kept()

    def draw(totals: Totals) -> None:
        if kept.instances < 0:
            kept.note(totals)
            progress.reset(task, total=totals.total_bytes, completed=totals.read_bytes)
        counts, seconds = totals.counts, max(progress.tasks[0].elapsed or 0, 0.001)
        rate = (counts.instances - kept.instances) / seconds
        rows = f"{counts.instances:,} rows, {counts.failed:,} failed, {rate:,.0f} rows/s"
        progress.update(task, total=totals.total_bytes, completed=totals.read_bytes, rows=rows)

    return _every(FILE_SECONDS, draw, at_ends=True)


def chosen_watches(path: Path | None, stack: ExitStack) -> list[Watch]:
    """Return the watches that suit this process's standard error, which is quiet where it is piped, and the file's."""
    chosen = []
    if sys.stderr.isatty():
        chosen.append(watch_lines() if os.environ.get("TERM") == "dumb" else watch_bar(stack))
    if path:
        chosen.append(watch_file(path))
    return chosen


def _every(seconds: float, action: Callable[[Totals], Any], *, at_ends: bool = False) -> Watch:
    last = 0.0 if at_ends else time.monotonic()

    def watch(totals: Totals) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds or (at_ends and totals.ended):
            last = time.monotonic()
            action(totals)

    return watch
