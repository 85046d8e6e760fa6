"""What the bench found, as tables for people."""

import io
import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from model.bench.rounds import Result, Rounds
from model.bench.targets import FULL_ROWS, Reached

WIDTH = 110
VERDICTS = {True: "met", False: "missed", None: "not judged"}


def describe(rows: int, rounds: Rounds, held: Sequence[Reached], skipped: Mapping[str, str]) -> str:
    """Return the tables of ways and targets, what was skipped and what failed."""
    said = io.StringIO()
    console = Console(file=said, width=WIDTH)
    console.print(_ways(rows, rounds.results))
    if held:
        console.print(_targets(held))
    if held and rows != FULL_ROWS:
        console.print(f"The targets are set for {FULL_ROWS:,} rows: with fewer, start-up weighs more.")
    for name, reason in skipped.items():
        console.print(f"Skipped: {name}: {reason}", markup=False, soft_wrap=True)
    for name, reason in rounds.failed.items():
        console.print(f"Failed: {name}: {reason}", markup=False, soft_wrap=True)
    return said.getvalue().rstrip()


def _ways(rows: int, results: Sequence[Result]) -> Table:
    title = f"{rows:,} keyed rows of 13 numbers, {os.cpu_count()} processors: whole processes, medians"
    made = Table(title=title, title_justify="left")
    made.add_column("way")
    for name in ("rows", "s", "CPU s", "peak MB", "rows/s", "runs", "largest difference"):
        made.add_column(name, justify="right")
    for result in results:
        difference = "-" if result.difference is None else f"{result.difference:.0e}"
        rate = f"{result.rows_per_second:,.0f}" if result.rows else "-"
        numbers = (f"{result.rows:,}", f"{result.wall:.2f}", f"{result.cpu:.2f}", f"{result.peak_mb:,.0f}")
        made.add_row(result.way, *numbers, rate, str(result.runs), difference)
    return made


def _targets(held: Sequence[Reached]) -> Table:
    made = Table(title="Targets", title_justify="left")
    made.add_column("what")
    for name in ("target", "measured", "by CPU time", ""):
        made.add_column(name, justify="right")
    for one in held:
        measured, cpu = ("-" if ratio is None else f"{ratio:.2f}" for ratio in (one.ratio, one.cpu_ratio))
        verdict = VERDICTS[one.met] if one.target.bound is not None else ""
        made.add_row(one.target.claim, one.target.text(), measured, cpu, verdict)
    return made
