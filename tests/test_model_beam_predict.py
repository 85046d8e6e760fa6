"""The engine's kernel on Apache Beam: the same bytes as the engine's, whoever runs the pipeline and however often."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infra.dataflow import dataflow_flags
from model.beam_predict.failures import place_in_output
from model.bench.rows import write_rows
from tests import batch
from tests.batch import ROOT, lines_of
from tests.cloud import LocalCloud
from tests.discovery import check_value, document
from tests.storage import new_bucket, storage_client

AGAIN = """
import sys
from pathlib import Path
from model.batch_predict.settings import Settings
from model.beam_predict.preparing import claim, prepare
from model.beam_predict.shards import load_model, predict_shard
model, source, output = sys.argv[1:]
settings = Settings(Path(model), (source,), Path(output), shards=3, workers=1)
work = prepare(settings, model, output, "DirectRunner")
claim(work)
loaded = load_model(work)
first = predict_shard(work, loaded, 1)
kept = Path(work.results(1)).read_bytes()
Path(work.results(1)).write_bytes(kept[:1000])  # what a bucket may hold when a worker dies
assert predict_shard(work, loaded, 1) == first
assert Path(work.results(1)).read_bytes() == kept
"""
REFUSALS = """
import contextlib, io, json, sys
from model.beam_predict.__main__ import main
said = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        said.append([main(arguments), stderr.getvalue().strip()])
print(json.dumps(said))
"""
OPTIONS = """
import json, sys
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PortableOptions, SetupOptions
from model.beam_predict.runners import pipeline_options, stage_source
flags = ["--flink_master=flink:8081", "--environment_type=DOCKER", "--environment_config=image", "--parallelism=8"]
options = pipeline_options("FlinkRunner", flags)
stage_source("FlinkRunner", options, sys.argv[1])
flink, portable = options.view_as(FlinkRunnerOptions), options.view_as(PortableOptions)
told = [flink.flink_master, flink.parallelism, portable.environment_type, portable.environment_config]
print(json.dumps([*told, options.view_as(SetupOptions).extra_packages]))
"""


DATAFLOW = """
import json, sys
from apache_beam.options.pipeline_options import GoogleCloudOptions, WorkerOptions
from model.beam_predict.runners import pipeline_options
options = pipeline_options("DataflowRunner", [flag for flag in json.loads(sys.argv[1]) if "--runner" not in flag])
cloud, worker = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
told = [cloud.project, cloud.region, cloud.service_account_email, cloud.temp_location, cloud.labels]
print(json.dumps([*told, worker.machine_type, worker.max_num_workers]))
"""


def start(
    model: str | Path, source: str | Path, output: str | Path, *options: str, **env: str
) -> subprocess.Popen[str]:
    """Start a pipeline."""
    told = ["--saved-model", str(model), "--input", str(source), "--output", str(output), "--json", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "model.beam_predict", *told],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def run(*arguments: str | Path, **env: str) -> dict[str, Any]:
    """Run a pipeline to its good end and return its summary."""
    process = start(arguments[0], arguments[1], arguments[2], *map(str, arguments[3:]), **env)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr
    summary: dict[str, Any] = json.loads(stdout.splitlines()[-1]) if stdout else {}
    return summary


def script(code: str, *arguments: str | Path) -> str:
    """Run a script in a process of its own: only that loads Beam."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same(output: Path, other: Path) -> None:
    """Assert that two output folders hold the same shards and manifests, but for who ran them and how long."""
    names = sorted(path.name for path in output.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names[1:]:
        assert (output / name).read_bytes() == (other / name).read_bytes(), name
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (output, other)]
    for manifest in manifests:
        for own in ("workers", "seconds", "beam"):
            manifest.pop(own, None)
    assert manifests[0] == manifests[1]


@pytest.mark.long
def test_pipeline_writes_what_the_engine_writes(saved_models: Path, tmp_path: Path) -> None:
    """Shards, error files with line numbers, counts and manifest are the engine's own, byte for byte."""
    rows = write_rows(tmp_path / "rows", 4000, 3, bad_every=7)
    with (rows.folder / "rows-01.jsonl").open("ab") as file:
        file.write(
            b'\n\r\n{"features": [1], "key": "\\"file\\":\\"x\\",\\"line\\":9"}\n{"key": 123456789012345678901234, "f'
        )
    with (rows.folder / "rows-02.jsonl").open("ab") as file:  # a key that another file has
        file.write((rows.folder / "rows-00.jsonl").read_bytes().splitlines(keepends=True)[1])
    packed = bytearray(gzip.compress((rows.folder / "rows-00.jsonl").read_bytes()))
    packed[-8] ^= 1  # of its checksum: none of its lines holds
    (rows.folder / "rows-99.jsonl.gz").write_bytes(packed)
    options = ("--shards", "5", "--seed", "3", "--with-instance")
    refusing = start(saved_models / "keyed", rows.folder, tmp_path / "beam", *options, "--on-duplicate-key", "error")
    _, refused = refusing.communicate(timeout=600)
    assert (refusing.returncode, len(refused.splitlines())) == (2, 1), refused
    assert "Make keys unique, or run again with --resume --on-duplicate-key keep" in refused
    assert not (tmp_path / "beam" / "manifest.json").exists()
    summary = run(saved_models / "keyed", rows.folder, tmp_path / "beam", *options, "--resume")
    engine = batch.run(saved_models / "keyed", [rows.folder], tmp_path / "engine", *options)
    assert (summary["predicted"], summary["failed"]) == (engine.summary["predicted"], engine.summary["failed"])
    assert (summary["failed"], summary["duplicate_keys"], engine.summary["duplicate_keys"]) == (575, 1, 1)
    assert_same(tmp_path / "beam", tmp_path / "engine")
    places = ["{file} line {line}".format(**error) for error in engine.errors]
    assert [place_in_output(engine.manifest, str(tmp_path / "engine"), n) for n in range(575)] == places


@pytest.mark.long
def test_too_many_failures_stop_a_pipeline_between_shards(saved_models: Path, tmp_path: Path) -> None:
    """Exit code 3 and one line, no manifest, shards left; --resume goes on to what the engine writes."""
    rows = write_rows(tmp_path / "rows", 2000, 2, bad_every=7)
    options = ("--shards", "4", "--max-errors")
    process = start(saved_models / "keyed", rows.pattern, tmp_path / "beam", *options, "200")
    _, said = process.communicate(timeout=600)
    assert (process.returncode, len(said.splitlines())) == (3, 1), said
    assert 0 < len(list((tmp_path / "beam").glob("prediction.results-*"))) < 4
    assert not (tmp_path / "beam" / "manifest.json").exists()
    run(saved_models / "keyed", rows.pattern, tmp_path / "beam", *options, "50%", "--resume")
    engine = batch.run(saved_models / "keyed", [rows.pattern], tmp_path / "engine", "--shards", "4")
    one_too_many = engine.errors[200]
    assert said.startswith("stopped: more than 200 failed, at {file} line {line}; ".format(**one_too_many))
    assert_same(tmp_path / "beam", tmp_path / "engine")


@pytest.mark.long
def test_a_retried_bundle_writes_the_same_shard(saved_models: Path, tmp_path: Path) -> None:
    """A shard that is done twice, or over what a dead worker left, is the same file; the run goes on from it."""
    rows = write_rows(tmp_path / "rows", 3000, 2, bad_every=11)
    script(AGAIN, saved_models / "keyed", rows.pattern, tmp_path / "beam")
    told, first = _told(saved_models, rows.pattern, tmp_path / "beam"), rows.folder / "rows-00.jsonl"
    found = first.stat().st_mtime_ns
    os.utime(first, ns=(found, found + 1))
    refused, other = json.loads(script(REFUSALS, json.dumps([told, [*told, "--shards", "3", "--resume"]])))
    os.utime(first, ns=(found, found))
    assert (refused[0], other[0]) == (2, 2)
    assert "holds" in refused[1]
    assert "belongs to a run with other inputs" in other[1]
    run(saved_models / "keyed", rows.pattern, tmp_path / "beam", "--shards", "3", "--resume")
    batch.run(saved_models / "keyed", [rows.pattern], tmp_path / "engine", "--shards", "3")
    assert_same(tmp_path / "beam", tmp_path / "engine")
    again = [*told, "--shards", "3", "--resume"]
    whole, other = json.loads(script(REFUSALS, json.dumps([again, [*again, "--seed", "1"]])))
    assert (whole[0], other[0]) == (0, 2)  # what is done is told, and left alone
    assert whole[1].startswith("3,000 instances: 2,")
    assert "belongs to a run with other seed" in other[1]


def _told(saved_models: Path, source: str, output: Path, *more: str) -> list[str]:
    return ["--saved-model", str(saved_models / "keyed"), "--input", source, "--output", str(output), *more]


def test_mistakes_are_one_line(saved_models: Path, tmp_path: Path) -> None:
    """An unknown option, folders that workers cannot reach, a missing region: refused before anything is done."""
    rows = write_rows(tmp_path / "rows", 10, 1)
    cloud = ["--project=my-project", "--temp_location=gs://b/tmp"]
    wrong = [
        _told(saved_models, rows.pattern, tmp_path / "out", "--wrokers", "3"),
        _told(saved_models, rows.pattern, tmp_path / "out", "--runner", "DataflowRunner", *cloud),
        _told(saved_models, rows.pattern, tmp_path / "out", "--runner=DataflowRunner", "--region=r", *cloud),
        _told(saved_models, str(tmp_path / "none*"), tmp_path / "out"),
    ]
    said = json.loads(script(REFUSALS, json.dumps(wrong)))
    assert [code for code, _ in said] == [2, 2, 2, 2]
    assert all(len(line.splitlines()) == 1 for _, line in said)
    wanted = ("'--wrokers'", "needs --region", "its workers are elsewhere", "No input file matches")
    assert all(text in line for text, (_, line) in zip(wanted, said, strict=True))
    assert not (tmp_path / "out").exists()


def test_a_stacks_outputs_become_dataflows_options() -> None:
    """`invoke predict --on beam` hands Dataflow the stack's project, region, account, bucket and machine."""
    outputs = {"project": "my-project", "region": "europe-west4", "bucket": "b", "machineType": "n1-standard-2"}
    flags = dataflow_flags({**outputs, "predictionAccount": "a@p.iam.gserviceaccount.com"}, "run-1")
    account, label = "a@p.iam.gserviceaccount.com", "app=keras-batch-prediction"
    wanted = ["my-project", "europe-west4", account, "gs://b/dataflow/temp", [label], "n1-standard-2", 4]
    assert json.loads(script(DATAFLOW, json.dumps(flags)).splitlines()[-1]) == wanted


def test_flink_gets_its_options_and_this_package(tmp_path: Path) -> None:
    """Beam's own options for Flink pass through; workers elsewhere get the code that starts the run."""
    *told, packages = json.loads(script(OPTIONS, tmp_path).splitlines()[-1])
    assert told == ["flink:8081", 8, "DOCKER", "image"]
    names = subprocess.run(["tar", "tzf", packages[0]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"model/beam_predict/shards.py", "model/batch_predict/kernel.py", "setup.py"} <= {
        name.partition("/")[2] for name in names
    }
    assert not any("bench" in name for name in names)


@pytest.mark.long
def test_buckets_and_the_dataflow_job(saved_models: Path, local_cloud: LocalCloud, tmp_path: Path) -> None:
    """From bucket to bucket, streamed; the Dataflow job for the same is one that Google knows, with its options."""
    client = storage_client(local_cloud)
    bucket = new_bucket(client)
    rows = write_rows(tmp_path / "rows", 900, 2, bad_every=9)
    for path in [*rows.folder.iterdir(), *(p for p in (saved_models / "keyed").rglob("*") if p.is_file())]:
        folder = rows.folder if path.is_relative_to(rows.folder) else saved_models
        bucket.blob(path.relative_to(folder).as_posix()).upload_from_filename(path)
    root, env = f"gs://{bucket.name}", {"STORAGE_EMULATOR_HOST": local_cloud.url, "NO_GCE_CHECK": "true"}
    where = (f"{root}/keyed", f"{root}/rows-*.jsonl", f"{root}/out")
    assert run(*where, "--shards", "2", **env)["predicted"] == 800
    batch.run(saved_models / "keyed", [rows.pattern], tmp_path / "engine", "--shards", "2")
    results = "".join(blob.download_as_text() for blob in client.list_blobs(bucket, prefix="out/prediction.results"))
    assert results.splitlines() == lines_of(tmp_path / "engine", "prediction.results-*")
    assert not [*client.list_blobs(bucket, prefix="out/.beam")]

    cloud = (
        "--project=my-project",
        "--region=us-central1",
        f"--temp_location={root}/tmp",
        f"--staging_location={root}/staging",
    )
    workers = ("--service_account_email=a@p.iam.gserviceaccount.com", "--worker_machine_type=n1-standard-4")
    network = ("--no_use_public_ips", "--subnetwork=regions/us-central1/subnetworks/s", "--labels=team=pricing")
    template, count = f"--template_location={tmp_path}/job.json", "--num_workers=7"
    options = (*cloud, *workers, *network, template, count, "--no_auth", "--runner", "DataflowRunner")
    run(where[0], where[1], f"{root}/dataflow", *options, **env)
    job = json.loads((tmp_path / "job.json").read_text())
    check_value(document("dataflow.v1b3")["schemas"], {"$ref": "Job"}, job, "Job")
    (pool,) = job["environment"]["workerPools"]
    assert (pool["machineType"], pool["numWorkers"], pool["ipConfiguration"]) == (
        "n1-standard-4",
        7,
        "WORKER_IP_PRIVATE",
    )
    assert job["environment"]["serviceAccountEmail"] == "a@p.iam.gserviceaccount.com"
    assert job["labels"]["team"] == "pricing"
    staged = [blob.name for blob in client.list_blobs(bucket, prefix="staging/")]
    assert any(name.endswith("keras-batch-prediction-model-0.1.0.tar.gz") for name in staged)


@pytest.mark.long
def test_several_processes_and_a_kill(saved_models: Path, tmp_path: Path) -> None:
    """Killed in the middle and resumed, by several processes: no row lost, none twice, the engine's own bytes."""
    rows = write_rows(tmp_path / "rows", 300_000, 3, bad_every=10)
    output, options = tmp_path / "beam", ("--shards", "12", "--workers", "2")
    process = start(saved_models / "keyed", rows.pattern, output, *options)
    deadline = time.monotonic() + 300
    while not [*output.glob(".beam_predict/0*.json")] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (output / "manifest.json").exists()
    run(saved_models / "keyed", rows.pattern, output, *options, "--resume")
    batch.run(saved_models / "keyed", [rows.pattern], tmp_path / "engine", "--shards", "12")
    assert_same(output, tmp_path / "engine")
