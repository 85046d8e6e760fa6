"""The batch engine as a process, and what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.saved_models import rows

ROOT = Path(__file__).parent.parent
Json = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """An ended run: exit code, what it printed, and its output folder."""

    code: int
    stdout: str
    stderr: str
    output: Path

    @property
    def summary(self) -> Json:
        """The JSON object on the last line of standard output."""
        summary: Json = json.loads(self.stdout.splitlines()[-1])
        return summary

    @property
    def manifest(self) -> Json:
        """The output folder's manifest."""
        manifest: Json = json.loads((self.output / "manifest.json").read_text())
        return manifest

    @property
    def results(self) -> list[Json]:
        """Every result line, in the order of the shards."""
        return [json.loads(line) for line in lines_of(self.output, "prediction.results-*")]

    @property
    def errors(self) -> list[Json]:
        """Every error record, in the order of the shards."""
        return [json.loads(line) for line in lines_of(self.output, "prediction.errors-*")]


def lines_of(folder: Path, pattern: str) -> list[str]:
    """Return the lines of the files that match, in the order of their names."""
    return [line for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


def command(model: Path | str, inputs: list[Path | str], output: Path | str, *options: str) -> list[str]:
    """Return the engine's command line."""
    names = [str(item) for item in inputs]
    head = [sys.executable, "-m", "model.batch_predict", "--saved-model", str(model), "--input", *names]
    return [*head, "--output", str(output), "--json", *options]


def start(model: Path | str, inputs: list[Path | str], output: Path | str, *options: str) -> subprocess.Popen[str]:
    """Start the engine."""
    return subprocess.Popen(
        command(model, inputs, output, *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])},
    )


def run(model: Path | str, inputs: list[Path | str], output: Path | str, *options: str) -> Finished:
    """Run the engine to its end."""
    process = start(model, inputs, output, *options)
    stdout, stderr = process.communicate(timeout=300)
    return Finished(process.returncode, stdout, stderr, Path(output))


def caught(
    begin: Callable[[], "subprocess.Popen[str]"], middle: Callable[[], bool], output: Path
) -> "subprocess.Popen[str]":
    """Start a run and hold it (SIGSTOP) in the middle; one that was over before it was seen there is begun anew."""
    for _ in range(5):
        process = begin()
        while process.poll() is None:
            if _holds(middle):
                process.send_signal(signal.SIGSTOP)
                state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if state is not None and state.si_code == os.CLD_STOPPED and _holds(middle):
                    return process
                process.send_signal(signal.SIGCONT)
            time.sleep(0.002)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        shutil.rmtree(output)
    raise AssertionError("Five runs were over before they were seen in the middle")


def _holds(middle: Callable[[], bool]) -> bool:
    """Tell whether a run is in the middle; one that takes its work folder away meanwhile is at its end."""
    try:
        return middle()
    except FileNotFoundError:
        return False


def write_rows(path: Path, count: int, first: int = 0, seed: int = 0) -> np.ndarray:
    """Write keyed rows of 13 features and return the features."""
    features = rows(count, seed)
    text = (json.dumps({"features": row, "key": first + n}) for n, row in enumerate(features.tolist()))
    path.write_text("".join(line + "\n" for line in text))
    return features
