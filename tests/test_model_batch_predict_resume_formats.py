"""Whatever a run reads and writes, kill -9 at several moments and --resume give the bytes of an uninterrupted run."""

import gzip
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.batch import ROOT, caught, command, lines_of, run, start
from tests.saved_models import rows
from tests.test_model_batch_predict_formats import write_csv
from tests.test_model_batch_predict_resume import shards

MOMENTS = (1, 3)  # blocks that are whole when a run is killed, each the successor of the one before
NAMES = 15_000


def journaled(output: Path, blocks: int) -> bool:
    """Tell whether so many blocks of an unfinished run are whole."""
    return sum(path.read_bytes().count(b"\n") for path in (output / ".batch_predict").glob("*.journal")) >= blocks


def write_source(kind: str, saved_models: Path, folder: Path) -> Path:
    """Write instances of a format, some of them bad, in more blocks than any kill comes after."""
    source = folder / f"in.{kind}"
    if kind == "csv":
        write_csv(source, rows(80_000), ["1,2\n", "x\n"])
    elif kind == "tfrecord":
        source.write_bytes((saved_models / "rows.tfrecord").read_bytes() * 600)
    elif kind == "tfrecord.gz":
        source.write_bytes(gzip.compress((saved_models / "rows.tfrecord").read_bytes() * 600, 1))
    else:
        (folder / "one").write_bytes(b"abc")
        source.write_text(("./" * 50 + "one\n") * NAMES + "none\n")
    return source


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "model", "options"),
    [
        ("csv", "keyed", ("--predictions-format", "csv")),
        ("tfrecord", "examples", ("--predictions-format", "parquet")),
        ("tfrecord.gz", "examples", ()),
        ("filelist", "text", ()),
    ],
)
def test_a_killed_run_ends_with_the_same_bytes(
    saved_models: Path, tmp_path: Path, kind: str, model: str, options: tuple[str, ...]
) -> None:
    """No row lost, none twice: two kills, then the end."""
    source, output = write_source(kind, saved_models, tmp_path), tmp_path / "out"
    settings = ("--shards", "2", "--workers", "1", *options)
    whole = run(saved_models / model, [source], tmp_path / "whole", *settings)
    assert whole.code == 0, whole.stderr
    for blocks in MOMENTS:
        process = caught(
            lambda: start(saved_models / model, [source], output, *settings, "--resume"),
            partial(journaled, output, blocks),
            output,
        )
        process.kill()
        process.communicate(timeout=60)
    done = run(saved_models / model, [source], output, *settings, "--resume")
    assert done.code == 0, done.stderr
    assert shards(output) == shards(whole.output)
    assert done.manifest["shards"] == whole.manifest["shards"]


@pytest.mark.parametrize("where", ["behind the list", "in the list"])
def test_a_run_does_not_go_on_with_other_listed_files(saved_models: Path, tmp_path: Path, where: str) -> None:
    """A file that changed since, though the list is the same, or a list that names another: refused, by name."""
    source = tmp_path / "all.filelist"
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    source.write_text("one\nnone\ntwo\n")
    stopped = run(saved_models / "text", [source], tmp_path / "out", "--max-errors", "0")
    assert (stopped.code, stopped.manifest["state"]) == (3, "stopped")
    if where == "in the list":
        source.write_text("two\nnone\ntwo\n")
    else:
        (tmp_path / "two").write_text("owt")
    refused = run(saved_models / "text", [source], tmp_path / "out", "--resume")
    what = "is" if where == "in the list" else "names a file that is"
    assert f"belongs to a run with other inputs: '{source}' {what} not what it was. Choose" in refused.stderr
    assert refused.code == 2
    source.write_text("one\nnone\ntwo\n")
    (tmp_path / "two").write_text("two")
    assert run(saved_models / "text", [source], tmp_path / "out", "--resume").code == 0
    results = lines_of(tmp_path / "out", "prediction.results-*")
    assert [json.loads(line)["instance"] for line in results] == ["one", "two"]


CHANGING = """
import json, sys, time
from pathlib import Path
from model.batch_predict import __main__, file_lists
read = file_lists.read_listed

def changing(name, file):  # called in a worker process, for every name
    if name == b"two":
        plan = Path(sys.argv[1], ".batch_predict", "plan.json")
        while not json.loads(plan.read_bytes())["model"]:  # all is digested, of which some is not read yet
            time.sleep(0.01)
        file.path.with_name("one").write_bytes(b"abcd")
    return read(name, file)

file_lists.read_listed = changing
raise SystemExit(__main__.main(sys.argv[2:]))
"""


@pytest.mark.long
def test_a_listed_file_that_changes_under_a_run_ends_it(saved_models: Path, tmp_path: Path) -> None:
    """Instances made of another content than the manifest would vouch for are not kept; the run can go on."""
    source, output = tmp_path / "in.filelist", tmp_path / "out"
    (tmp_path / "one").write_bytes(b"abc")
    (tmp_path / "two").write_bytes(b"ab")
    source.write_text("one\n" * 30 + "two\nnone\n" + "one\n" * 30)
    told = command(saved_models / "text", [source], output)
    script = [sys.executable, "-c", CHANGING, str(output), *told[told.index("--saved-model") :]]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    said = f"A file that '{source}' names changed while it was read: all of it is predicted again"
    assert (done.returncode, done.stderr) == (1, f"{said}. Nothing is lost: run again with --resume\n")
    again = run(saved_models / "text", [source], output, "--resume")
    assert (again.code, again.summary["predicted"], again.summary["failed"]) == (0, 61, 1), again.stderr
    assert [line["prediction"]["length"] for line in again.results] == [4] * 30 + [2] + [4] * 30
