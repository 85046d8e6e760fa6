"""The bench looks at what it measures: whole trees of processes, and every prediction."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.bench import native
from model.bench.__main__ import outcome
from model.bench.answers import WrongAnswersError, check
from model.bench.processes import measure
from model.bench.rounds import Result, Rounds, run_rounds
from model.bench.rows import Rows, features, write_rows
from model.bench.targets import TARGETS, reached
from model.bench.ways import KERAS_32, KERAS_LOOP, OURS, Way
from tests.batch import ROOT, run
from tests.saved_models import bare_predictions

ORPHAN = """
import subprocess, sys
burn = "import time; began = time.process_time()\\nwhile time.process_time() - began < 0.5: pass"
subprocess.Popen([sys.executable, "-c", burn], start_new_session=True)
"""
MEASURE = """
import json, sys
from dataclasses import asdict
from model.bench.processes import adopt_orphans, measure
adopt_orphans()
print(json.dumps(asdict(measure([sys.executable, "-c", sys.argv[1]], {}))))
"""


def written(path: Path, predictions: dict[int, float]) -> list[Path]:
    """Write predictions as a way leaves them."""
    lines = [json.dumps({"prediction": [value], "key": key}) for key, value in predictions.items()]
    path.write_text("\n".join(lines) + "\n")
    return [path]


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
def test_processor_time_of_orphans_is_counted() -> None:
    """A command cannot hide what it costs in processes that outlive it."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, ORPHAN], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["cpu"] >= 0.5


def test_wrong_answers_are_named(tmp_path: Path) -> None:
    """A key too few, one twice, one unknown, or another number: each is named, with the way that did it."""
    rows, bare = Rows(tmp_path, 3, 1), np.array([1.0, 2.0, 3.0], dtype=np.float32)
    right = {2: 3.0, 0: 1.0, 1: 2.0000002}
    assert check("x", written(tmp_path / "a", right), rows, bare) < 1e-6
    for wrong in ({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0, 3: 3.0}, {**right, 4: 4.0}, {**right, 1: 2.1}):
        with pytest.raises(WrongAnswersError, match="x: "):
            check("x", written(tmp_path / "b", wrong), rows, bare)
    with pytest.raises(WrongAnswersError, match="no predictions"):
        check("x", [], rows, bare)


def test_bad_rows_are_refused_and_the_others_known(saved_models: Path, tmp_path: Path) -> None:
    """The bench's own rows: every tenth is refused by the engine, all others get the bare model's predictions."""
    rows = write_rows(tmp_path / "rows", 200, 3, bad_every=10)
    done = run(saved_models / "keyed", [rows.pattern], tmp_path / "out")
    assert (done.summary["predicted"], done.summary["failed"]) == (180, 20)
    bare = bare_predictions(saved_models, np.concatenate(list(features(200)))).astype(np.float32).ravel()
    assert check("ours", sorted((tmp_path / "out").glob("prediction.results-*")), rows, bare) < 1e-4


def test_a_way_that_fails_does_not_end_the_bench(tmp_path: Path) -> None:
    """The others go on; the failed way is named with its reason, its targets are not judged, the exit code is 1."""
    rows = write_rows(tmp_path / "rows", 3, 1)
    copies = "import sys, pathlib as p; o = p.Path(sys.argv[1]); o.mkdir(); (o / 'a').write_text(sys.argv[2])"
    right = "".join(f'{{"prediction": [{key + 1}.0], "key": {key}}}\n' for key in range(3))

    def way(name: str, program: str, said: str = "") -> Way:
        return Way(name, rows, lambda output: [sys.executable, "-c", program, str(output), said])

    ways = [
        way("ours", copies, right),
        way("Spark, mapInArrow", "import pickle; pickle.loads(b'cnone\\nx\\n.')"),
        way("Ray Data", copies, right.replace("3.0", "4.0")),
        way("model.predict, batch 8192", copies, right),
    ]
    rounds = run_rounds(ways, 2, lambda _: np.array([1.0, 2.0, 3.0], dtype=np.float32), tmp_path)
    assert [(one.way, one.runs) for one in rounds.results] == [("ours", 2), ("model.predict, batch 8192", 2)]
    assert rounds.failed["Spark, mapInArrow"] == "exit code 1: ModuleNotFoundError: No module named 'none'"
    assert rounds.failed["Ray Data"].startswith("Ray Data: a prediction differs by")
    told = outcome("predict", 3, rounds, {})
    assert told.code == 1
    assert "Failed: Spark, mapInArrow: exit code 1: ModuleNotFoundError" in told.text
    assert told.text.count("not judged") == 2
    assert [one["met"] is None for one in told.data["targets"]] == [False, True, True]


def test_processes_that_were_there_are_left_alone() -> None:
    """What a measured command leaves behind is waited for, and nothing else."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert measure([sys.executable, "-c", "pass"], {}).cpu > 0
        assert other.poll() is None
        other.communicate(b"\n")
    assert other.returncode == 0


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_native_peer_predicts_the_same(saved_models: Path, tmp_path: Path) -> None:
    """The program that sets the limit reads and writes what the engine does."""
    rows = write_rows(tmp_path / "rows", 300, 2)
    (tmp_path / "out").mkdir()
    program = native.build(tmp_path)
    subprocess.run(native.command(program, saved_models / "keyed", rows.pattern, tmp_path / "out"), check=True)
    bare = bare_predictions(saved_models, np.concatenate(list(features(300)))).astype(np.float32).ravel()
    assert check("native", sorted((tmp_path / "out").glob("*.jsonl")), rows, bare) < 1e-4


def test_every_target_is_judged_by_what_was_measured() -> None:
    """Ratios are of the ways they name; a target whose way did not run is left out."""
    taken = {"rows": 100, "wall": 2.0, "cpu": 1.0, "peak_mb": 3.0}
    even = {name: taken for target in TARGETS for name in (target.way, target.other)}
    assert len(reached(even)) == len(TARGETS)
    bound = [one for one in reached(even) if one.target.bound is not None]
    assert [one.met for one in bound] == [not one.target.at_least for one in bound]
    slow = even.pop("Ray Data")
    assert len(reached(even)) == len(TARGETS) - 1
    assert [one.ratio for one in reached({"ours": even["ours"], "Ray Data": {**slow, "wall": 20.0}})] == [10.0]


def test_the_loop_is_judged_by_the_row_and_whole_files_are_told_without_a_target() -> None:
    """Both numbers of batch 32 stand in the table: that of the loop, which gets fewer rows, and that of whole files."""

    def result(way: str, rows: int, wall: float) -> Result:
        return Result(way, rows, wall, wall, 1.0, 1, None)

    results = [result(OURS, 1000, 2.0), result(KERAS_LOOP, 20, 4.0), result(KERAS_32, 1000, 30.0)]
    told = outcome("predict", 1000, Rounds(results, {}), {})
    loop, files = told.data["targets"]
    assert (loop["ratio"], loop["bound"], loop["met"]) == (100.0, 40, True)
    assert (files["ratio"], files["bound"], files["met"]) == (15.0, None, None)
    shown = [[cell.strip() for cell in line.split("│")] for line in told.text.splitlines() if "faster than" in line]
    numbers = [[cells[place] for place in (2, 3, 5)] for cells in shown]
    assert numbers == [["≥ 40", "100.00", "met"], ["none", "15.00", ""]]
