"""How far a run is, for people (standard error) and for programs (a file)."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
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
    started = time.monotonic()

    def line(totals: Totals) -> None:
        counts, seconds = totals.counts, time.monotonic() - started
        share = totals.read_bytes / max(1, totals.total_bytes)
        rate = counts.instances / seconds
        left = f", {seconds / share - seconds:,.0f} s left" if share else ""
        text = f"{counts.instances:,} rows, {counts.failed:,} failed, {share:.0%}, {rate:,.0f} rows/s{left}"
        print(text, file=sys.stderr, flush=True)

    return _every(LINE_SECONDS, line)


def watch_bar(stack: ExitStack) -> Watch:
    """Return a watch that draws a bar until the stack is closed, for terminals."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and of no use without a terminal
    from rich.progress import Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (*Progress.get_default_columns()[:3], TextColumn("{task.fields[rows]}"), TimeRemainingColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
    task = progress.add_task("predicting", rows="")

    def draw(totals: Totals) -> None:
        counts, seconds = totals.counts, max(progress.tasks[0].elapsed or 0, 0.001)
        rows = f"{counts.instances:,} rows, {counts.failed:,} failed, {counts.instances / seconds:,.0f} rows/s"
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
