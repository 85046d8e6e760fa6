"""The batch engine as a process: right numbers, every row accounted for, one documented end for each mishap."""

import gzip
import json
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.batch_predict.blocks import read_blocks
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import plan_shards
from tests.batch import ROOT, command, run, write_rows
from tests.saved_models import bare_predictions


def test_predictions_are_those_of_the_bare_model(saved_models: Path, tmp_path: Path) -> None:
    """Every key comes back once, with the bare model's number within 1e-4, in input order."""
    features = write_rows(tmp_path / "in.jsonl", 1000)
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert done.code == 0, done.stderr
    assert [line["key"] for line in done.results] == list(range(1000))
    found = np.array([line["prediction"] for line in done.results])
    assert np.abs(found - bare_predictions(saved_models, features)).max() < 1e-4
    assert {name: done.summary[name] for name in ("state", "instances", "predicted", "failed", "not_attempted")} == {
        "state": "finished",
        "instances": 1000,
        "predicted": 1000,
        "failed": 0,
        "not_attempted": 0,
    }
    assert done.summary["runner"] == "c"
    assert done.stderr.splitlines()[0].startswith("1,000 instances: 1,000 predicted, 0 failed")


# Python runs such a module before anything else: TensorFlow's own library is then sought where there is none.
NO_LIBRARY = """
import importlib.util
from importlib.machinery import ModuleSpec

find_spec = importlib.util.find_spec
elsewhere = ModuleSpec("tensorflow", None, origin={origin!r})
importlib.util.find_spec = lambda name, *rest: elsewhere if name == "tensorflow" else find_spec(name, *rest)
"""


@pytest.mark.long
def test_python_tensorflow_writes_the_same(saved_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library is missing, the Python package gives the same shards, and the summary says that and why."""
    write_rows(tmp_path / "in.jsonl", 50)
    by_c = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "c")
    (tmp_path / "shim").mkdir()
    (tmp_path / "shim" / "sitecustomize.py").write_text(NO_LIBRARY.format(origin=str(tmp_path / "no" / "it.py")))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shim"))
    by_python = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "python")
    assert (by_c.summary["runner"], by_c.summary["fallback"]) == ("c", "")
    assert (by_python.summary["runner"], by_python.manifest["runner"]) == ("python", "python")
    reason = by_python.summary["fallback"]
    assert (reason == by_python.manifest["fallback"], "no/libtensorflow_cc.so.2" in reason) == (True, True)
    assert f"its C API cannot be used: {reason}\n" in by_python.stderr
    assert by_c.results == by_python.results
    refused = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "only", "--runner", "c")
    assert (refused.code, len(refused.stderr.splitlines())) == (2, 1)


def test_outputs_of_any_kind_are_written(saved_models: Path, tmp_path: Path) -> None:
    """Texts, base64, truth values, matrices and odd names; a text output that is no text fails its row alone."""
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1.5, "b-b": [1, -2], "c": true, "d": [[1, 2], [3, 4.5]], "e": ["x", "\\u00e9"]}\n')
    assert run(saved_models / "multi", [source], tmp_path / "multi").results == [
        {"half": 1.5, "b%": [1, -2], "a": 1.5, "c": False, "d": [[1.0, 2.0], [3.0, 4.5]], "e": ["x", "é"]}
    ]
    source.write_text('"abc"\n{"b64": "/w=="}\n"é"\n')
    text = run(saved_models / "text", [source], tmp_path / "text")
    assert text.results == [
        {"length": 3, "raw_bytes": {"b64": "YWJj"}, "upper": "ABC"},
        {"length": 2, "raw_bytes": {"b64": "w6k="}, "upper": "é"},
    ]
    assert [(error["line"], error["code"]) for error in text.errors] == [(2, "NOT_TEXT_PREDICTION")]


def test_bad_lines_sink_nothing_else(saved_models: Path, tmp_path: Path) -> None:
    """Each bad line is one record with key, file, line, code and message; blank lines are counted, others predicted."""
    source, good = tmp_path / "in.jsonl", '{"features": [1,2,3,4,5,6,7,8,9,10,11,12,13], "key": %d}'
    lines = [good % 1, "", '{"features": [1], "key": 2}', good % 3 + "\r", "nonsense", good % 5, good[:40]]
    source.write_bytes("\n".join(lines).encode())
    done = run(saved_models / "keyed", [source], tmp_path / "out")
    assert done.code == 0
    assert [line["key"] for line in done.results] == [1, 3, 5]
    assert [(error["key"], error["file"], error["line"], error["code"]) for error in done.errors] == [
        (2, str(source), 3, "WRONG_LENGTH"),
        (None, str(source), 5, "INVALID_JSON"),
        (None, str(source), 7, "INVALID_JSON"),
    ]
    assert (done.summary["instances"], done.summary["blank_lines"]) == (6, 1)
    assert done.summary["error_codes"] == {"WRONG_LENGTH": 1, "INVALID_JSON": 2}
    assert "warning: 3 failed (WRONG_LENGTH 1, INVALID_JSON 2)" in done.stderr


def test_rows_that_the_model_refuses_fail_alone(saved_models: Path, tmp_path: Path) -> None:
    """A batch that the graph refuses is halved until only the refused rows are lost, with the graph's own message."""
    source = tmp_path / "in.jsonl"
    write_rows(source, 500, first=(1 << 24) - 497)
    done = run(saved_models / "functional", [source], tmp_path / "out", "--batch-size", "64")
    assert [error["key"] for error in done.errors] == [(1 << 24) + 1, (1 << 24) + 2]
    assert {error["code"] for error in done.errors} == {"PREDICTION_FAILED"}
    assert "key beyond float32" in done.errors[0]["message"]
    assert [line["prediction_with_key"][1] for line in done.results] == list(range((1 << 24) - 497, (1 << 24) + 1))


def test_batch_beyond_memory_is_halved(saved_models: Path, tmp_path: Path) -> None:
    """Where a batch needs more memory than there is, smaller ones are tried: no row is lost, and the run goes on."""
    (tmp_path / "in.jsonl").write_text("".join(f"{n}\n" for n in range(300)))
    done = run(saved_models / "hungry", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert (done.code, [line["y"] for line in done.results]) == (0, [float(n) for n in range(300)])


def test_every_number_type_comes_back(saved_models: Path, tmp_path: Path) -> None:
    """The largest value of each type, in and out; one more is refused by name."""
    largest = {"int8": 127, "int16": 2**15 - 1, "int32": 2**31 - 1, "int64": 2**63 - 1, "uint8": 255, "uint16": 65535}
    largest |= {"uint32": 2**32 - 1, "uint64": 2**64 - 1}
    others = {"float16": 65504.0, "bfloat16": 1.5, "float64": 1e308, "bool": [True, False]}
    rows = [{**largest, **others}, *({**largest, **others, kind: value + 1} for kind, value in largest.items())]
    rows.append({**largest, **others, "float16": 70000})
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(saved_models / "numbers", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert [{name.removesuffix("_out"): value for name, value in line.items()} for line in done.results] == rows[:1]
    assert [error["code"] for error in done.errors] == ["OUT_OF_RANGE"] * 9
    assert all(repr(kind) in error["message"] for kind, error in zip([*largest, "float16"], done.errors, strict=True))


def test_prediction_that_is_no_number_is_an_error(saved_models: Path, tmp_path: Path) -> None:
    """JSON has no NaN and no infinity: such a row is not written as null."""
    (tmp_path / "in.jsonl").write_text("[1, 1, 1]\n[-1, 1, 1]\n[0, 1, 1]\n")
    done = run(saved_models / "single", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert done.results == [{"log": [0.0, 0.0, 0.0], "y": 3.0}]
    assert [error["message"] for error in done.errors] == [
        "output 'log' is nan: JSON has only finite numbers",
        "output 'log' is -inf: JSON has only finite numbers",
    ]


def test_with_instance_echoes_what_was_sent(saved_models: Path, tmp_path: Path) -> None:
    """Vertex AI's form: the instance as it stands in the file, beside its prediction."""
    (tmp_path / "in.jsonl").write_bytes(b" [1.50, 1e0,1]\r\n")
    run(saved_models / "single", [tmp_path / "in.jsonl"], tmp_path / "out", "--with-instance")
    (line,) = (tmp_path / "out" / "prediction.results-00000-of-00001").read_bytes().splitlines()
    assert line.startswith(b'{"instance": [1.50, 1e0,1], "prediction": {"log": [0.4054')


def test_signature_is_chosen_by_name(saved_models: Path, tmp_path: Path) -> None:
    """--signature takes another function of the model than serving_default."""
    features = write_rows(tmp_path / "in.jsonl", 3)
    done = run(saved_models / "two", [tmp_path / "in.jsonl"], tmp_path / "out", "--signature", "doubled")
    found = np.array([line["doubled"] for line in done.results])
    assert np.abs(found - 2 * bare_predictions(saved_models, features)).max() < 1e-4


@pytest.mark.parametrize(
    ("model", "pattern", "options", "message"),
    [
        ("nowhere", "in.jsonl", [], "No SavedModel at"),
        ("broken", "in.jsonl", [], "cannot be read: saved_model.pb is damaged or cut off. Run: invoke export"),
        ("no_variables", "in.jsonl", [], "lacks its variables. Run: invoke export"),
        ("fixed", "in.jsonl", [], "Input 'features' has no free batch dimension: its first dimension is fixed to 8"),
        ("pooled", "in.jsonl", [], "Output 'mean' has 1 rows for 3 instances"),
        ("keyed", "in.jsonl", ["--signature", "x"], "No signature 'x' in"),
        ("keyed", "no*.jsonl", [], "No input file matches"),
        ("keyed", "in.jsonl", ["--batch-size", "0"], "argument --batch-size: invalid positive value: '0'"),
        ("keyed", "in.jsonl", ["--max-errors", "many"], "argument --max-errors"),
    ],
)
def test_unusable_run_is_refused_in_one_line(
    saved_models: Path, tmp_path: Path, model: str, pattern: str, options: list[str], message: str
) -> None:
    """Exit code 2 and one line that says what is wrong; nothing is left behind."""
    source = tmp_path / "in.jsonl"
    write_rows(source, 3)
    if model == "pooled":
        source.write_text("[1,2,3,4,5,6,7,8,9,10,11,12,13]\n" * 3)
    done = run(saved_models / model, [tmp_path / pattern], tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("prediction.*"))
    if model == "pooled":
        assert run(saved_models / "two", [source], tmp_path / "out").code == 0


def test_files_are_named_as_the_caller_knows_them(saved_models: Path, tmp_path: Path) -> None:
    """--input-root replaces a local folder by its address in records and manifest."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in.jsonl").write_text("x\n")
    root = f"{tmp_path / 'data'}=gs://bucket/data"
    done = run(saved_models / "keyed", [tmp_path / "data" / "*.jsonl"], tmp_path / "out", "--input-root", root)
    assert done.errors[0]["file"] == "gs://bucket/data/in.jsonl"
    assert done.manifest["plan"]["inputs"][0]["file"] == "gs://bucket/data/in.jsonl"


def test_manifest_names_inputs_model_and_shards_by_digest(saved_models: Path, tmp_path: Path) -> None:
    """The manifest's digests are those of the files themselves."""
    write_rows(tmp_path / "in.jsonl", 20)
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out", "--shards", "3")
    (source,) = done.manifest["plan"]["inputs"]
    assert source["sha256"] == sha256((tmp_path / "in.jsonl").read_bytes()).hexdigest()
    assert [shard["file"] for shard in done.manifest["shards"]] == [
        f"prediction.results-0000{n}-of-00003" for n in range(3)
    ]
    for shard in done.manifest["shards"]:
        content = (tmp_path / "out" / shard["file"]).read_bytes()
        assert (shard["sha256"], shard["rows"]) == (sha256(content).hexdigest(), content.count(b"\n"))
    assert not (tmp_path / "out" / ".batch_predict").exists()


def test_one_file_is_as_many(saved_models: Path, tmp_path: Path) -> None:
    """One file cut into byte ranges gives the rows and error lines that it gives in one piece, plain or gzip."""
    lines = [f'{{"features": {[n % 7] * 13}, "key": {n}}}' if n % 9 else f'{{"key": {n}}}' for n in range(300)]
    whole, packed = tmp_path / "whole.jsonl", tmp_path / "packed.jsonl.gz"
    whole.write_text("\n".join(lines) + "\n")
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    runs = [
        run(saved_models / "keyed", [source], tmp_path / f"{shards}{source.stem}", "--shards", shards, *more)
        for source, shards, *more in ((whole, "1"), (whole, "7"), (packed, "3"), (whole, "4", "--seed", "5"))
    ]
    for done in runs:
        assert sorted(line["key"] for line in done.results) == [n for n in range(300) if n % 9]
        assert sorted((error["key"], error["line"]) for error in done.errors) == [(n, n + 1) for n in range(0, 300, 9)]
    assert runs[0].results == runs[1].results
    assert [line["key"] for line in runs[3].results] != [line["key"] for line in runs[0].results]


def test_seed_scatters_repeatably(tmp_path: Path) -> None:
    """The same seed gives the same ranges, another seed others; without one they stand in input order."""
    file = InputFile(tmp_path, "in", 1000)
    plans = [str(plan_shards([file], 3, seed)) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    assert [part.start for shard in plan_shards([file], 3) for part in shard] == [0, 333, 666]


def test_damaged_gzip_loses_only_what_cannot_be_read(saved_models: Path, tmp_path: Path) -> None:
    """The lines before the damage are predicted, and a record says where the file breaks off."""
    write_rows(tmp_path / "plain", 2000)
    packed = gzip.compress((tmp_path / "plain").read_bytes())
    (tmp_path / "in.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl.gz"], tmp_path / "out")
    assert done.code == 0
    assert [line["key"] for line in done.results] == list(range(len(done.results)))
    assert [(error["line"], error["code"]) for error in done.errors] == [(len(done.results) + 1, "DAMAGED_INPUT")]


def test_nothing_stays_of_a_gzip_that_does_not_match_its_checksum(saved_models: Path, tmp_path: Path) -> None:
    """Its end is where that is known: its rows, written by then, are taken back, and one record stands for it."""
    write_rows(tmp_path / "1.jsonl", 100)
    write_rows(tmp_path / "3.jsonl", 100, first=50_000)
    write_rows(tmp_path / "plain", 30_000, first=100)  # more than one block
    packed = bytearray(gzip.compress((tmp_path / "plain").read_bytes(), 1))
    packed[-8] ^= 1
    (tmp_path / "2.jsonl.gz").write_bytes(packed)
    files: list[Path | str] = [tmp_path / name for name in ("1.jsonl", "2.jsonl.gz", "3.jsonl")]
    done = run(saved_models / "keyed", files, tmp_path / "out", "--shards", "1")
    [error] = done.errors
    assert (done.code, done.summary["predicted"], done.summary["failed"]) == (0, 200, 1), done.stderr
    assert (error["file"], error["line"], error["code"]) == (str(files[1]), 1, "DAMAGED_INPUT")
    assert error["message"].startswith("none of the file's lines is predicted, for any may be wrong: the compressed")
    assert [line["key"] for line in done.results] == [*range(100), *range(50_000, 50_100)]


def test_a_gzip_file_without_a_byte_is_damaged(saved_models: Path, tmp_path: Path) -> None:
    """Cut off before its first byte, it is not taken for one without lines."""
    (tmp_path / "in.jsonl.gz").touch()
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl.gz"], tmp_path / "out")
    assert [(error["line"], error["code"]) for error in done.errors] == [(1, "DAMAGED_INPUT")]


def test_empty_input_is_a_finished_run(saved_models: Path, tmp_path: Path) -> None:
    """A file without a line gives an empty shard and a manifest."""
    (tmp_path / "in.jsonl").touch()
    done = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert (done.code, done.summary["instances"], done.results) == (0, 0, [])


@pytest.mark.parametrize(("threshold", "code"), [("2", 3), ("3", 0), ("1%", 3), ("10%", 0)])
def test_threshold_stops_the_run(saved_models: Path, tmp_path: Path, threshold: str, code: int) -> None:
    """More failures than allowed end the run with exit code 3, and the message says at which row."""
    source = tmp_path / "in.jsonl"
    write_rows(source, 97)
    source.write_text("x\n" * 3 + source.read_text())
    done = run(saved_models / "keyed", [source], tmp_path / "out", "--max-errors", threshold)
    assert done.code == code
    assert done.summary["state"] == ("stopped" if code else "finished")
    assert done.summary["instances"] == sum(done.summary[n] for n in ("predicted", "failed", "not_attempted")) == 100
    if code:
        line = 3 if threshold == "2" else 2
        assert f"stopped: more than {threshold} failed, at {source} line {line}" in done.stderr


def test_progress_file_tells_how_far_a_run_is(saved_models: Path, tmp_path: Path) -> None:
    """The file is whole whenever it is read, and ends with the run's counts."""
    write_rows(tmp_path / "in.jsonl", 10)
    run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out", "--progress", str(tmp_path / "progress"))
    size = (tmp_path / "in.jsonl").stat().st_size
    expected = {"instances": 10, "predicted": 10, "failed": 0, "total_bytes": size, "read_bytes": size}
    assert json.loads((tmp_path / "progress").read_text()) == expected


def test_engine_ends_with_its_parent(saved_models: Path, tmp_path: Path) -> None:
    """With --die-with-parent nothing goes on predicting for a process that was killed."""
    fifo = tmp_path / "in.jsonl"
    write_rows(fifo, 10)
    engine = command(saved_models / "keyed", [fifo], tmp_path / "out", "--die-with-parent")
    code = f"import subprocess, time; print(subprocess.Popen({engine!r}).pid, flush=True); time.sleep(0.3)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    ended=st.booleans(),
    shards=st.integers(1, 9),
    seed=st.none() | st.integers(0, 3),
    size=st.integers(1, 50),
)
def test_every_line_is_in_one_range(
    tmp_path: Path, lines: list[bytes], ended: bool, shards: int, seed: int | None, size: int
) -> None:
    """Wherever a file is cut, and into however many blocks, each line is read once, whole and in its place."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines) + (b"\n" if ended and lines else b""))
    expected = path.read_bytes().split(b"\n")
    expected = expected[:-1] if not expected[-1] else expected
    file = InputFile(path, "in", path.stat().st_size)
    plan = plan_shards([file], shards, seed)
    parts = sorted((part for shard in plan for part in shard), key=lambda part: part.start)
    found = [line for part in parts for block in read_blocks(file, part, size=size) for line in block.lines]
    assert found == expected


MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_input(saved_models: Path, tmp_path: Path) -> None:
    """Ten times the rows, and the largest process is at most 15% larger."""
    write_rows(tmp_path / "in.jsonl", 100_000)
    peaks = []
    for times in (1, 10):
        source = tmp_path / f"{times}.jsonl"
        source.write_bytes((tmp_path / "in.jsonl").read_bytes() * times)
        engine = command(saved_models / "keyed", [source], tmp_path / f"out{times}")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *engine], cwd=ROOT, capture_output=True, text=True, check=True
        )
        code, peak = done.stdout.split()
        assert code == "0"
        peaks.append(int(peak))
    assert peaks[1] < 1.15 * peaks[0]
