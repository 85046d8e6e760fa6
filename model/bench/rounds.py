"""Runs ways in rounds, so that a machine's slow minutes hit all of them, and keeps the median of each.

A way that fails is told with its reason and run no more; the others go on.
"""

import os
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.bench.answers import WrongAnswersError, check
from model.bench.processes import FailedError, Measurement, measure
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


@dataclass(frozen=True)
class Rounds:
    """What came of the rounds: results of the ways that ran, and why the others failed."""

    results: list[Result]
    failed: dict[str, str]


def run_rounds(ways: Sequence[Way], rounds: int, bare: Callable[[int], np.ndarray], folder: Path) -> Rounds:
    """Run every way once a round (those marked single in the first only) and check all that it predicts."""
    runs: dict[str, list[Measurement]] = {way.name: [] for way in ways}
    differences: dict[str, float | None] = {}
    failed: dict[str, str] = {}
    _warm_up(ways[0], folder / "output")
    for number in range(rounds):
        for way in ways:
            if way.name in failed or (number and way.single):
                continue
            title = f"round {number + 1} of {rounds}: {way.name}"
            _tell(f"{title} …")
            try:
                taken, differences[way.name] = _run(way, bare, folder / "output")
            except (FailedError, WrongAnswersError) as error:
                failed[way.name] = str(error)
                _tell(f"{title} fails: {error}")
                continue
            runs[way.name].append(taken)
            _tell(f"{title}: {taken.wall:.2f} s, {taken.cpu:.2f} s CPU")
    ran = [way for way in ways if way.name not in failed]
    return Rounds([_median(way, runs[way.name], differences) for way in ran], failed)


def _warm_up(way: Way, output: Path) -> None:
    """Bring rows and libraries into memory by a run that does not count, nor how it ends."""
    _tell(f"{way.name}, not counted …")
    with suppress(FailedError):
        measure(way.command(output), way.environment)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(way: Way, bare: Callable[[int], np.ndarray], output: Path) -> tuple[Measurement, float | None]:
    shutil.rmtree(output, ignore_errors=True)
    os.sync()  # no way waits for what another one's files still have to be written
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
