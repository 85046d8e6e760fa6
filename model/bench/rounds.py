"""Runs ways in rounds, so that a machine's slow minutes hit all of them, and keeps the median of each."""

import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.bench.answers import check
from model.bench.processes import Measurement, measure
from model.bench.ways import Way, result_files


@dataclass(frozen=True)
class Result:
    """Medians over a way's runs; the largest difference from the bare model, None where nothing is predicted."""

    way: str
    rows: int
    wall: float
    cpu: float
    peak_mb: float
    runs: int
    difference: float | None

    @property
    def rows_per_second(self) -> float:
        """Rows for a second of the whole process."""
        return self.rows / self.wall


def run_rounds(ways: Sequence[Way], rounds: int, bare: Callable[[int], np.ndarray], folder: Path) -> list[Result]:
    """Run every way once a round (those marked single in the first only) and check all that it predicts.

    Raises:
        FailedError, WrongAnswersError: a way does not run, or does not predict what the bare model predicts.
    """
    runs: dict[str, list[Measurement]] = {way.name: [] for way in ways}
    differences: dict[str, float | None] = {}
    _run(ways[0], bare, folder / "output")  # not counted: brings rows and libraries into memory
    for number in range(rounds):
        for way in ways:
            if number and way.single:
                continue
            title = f"round {number + 1} of {rounds}: {way.name}"
            print(f"{title} …", file=sys.stderr, flush=True)
            taken, differences[way.name] = _run(way, bare, folder / "output")
            runs[way.name].append(taken)
            print(f"{title}: {taken.wall:.2f} s, {taken.cpu:.2f} s CPU", file=sys.stderr, flush=True)
    return [_median(way, runs[way.name], differences) for way in ways]


def _run(way: Way, bare: Callable[[int], np.ndarray], output: Path) -> tuple[Measurement, float | None]:
    shutil.rmtree(output, ignore_errors=True)
    try:
        taken = measure(way.command(output), way.environment)
        if way.rows is None:
            return taken, None
        return taken, check(way.name, result_files(way, output), way.rows, bare(way.rows.count))
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _median(way: Way, runs: Sequence[Measurement], differences: Mapping[str, float | None]) -> Result:
    wall, cpu, peak = (statistics.median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "peak_mb"))
    return Result(way.name, way.rows.count if way.rows else 0, wall, cpu, peak, len(runs), differences[way.name])
