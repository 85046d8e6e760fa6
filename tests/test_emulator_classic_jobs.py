"""AI Platform's batch predictions on the local cloud: shards as the service names them, every row accounted for."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from model.results import find_shards, join
from tests.classic import PROJECT, client, finished, job_body, make_model, make_version
from tests.cloud import LocalCloud, start_cloud
from tests.vertex import PARENT, ROWS, make_bucket, put_model, put_object, read_objects, refused
from tests.vertex import client as vertex_client
from tests.vertex_jobs import instances

BUCKET = "classic-jobs"


@pytest.fixture(scope="module")
def projects(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of ml v1."""
    with client(local_cloud) as methods:
        yield methods


@pytest.fixture(scope="module")
def uri(local_cloud: LocalCloud) -> str:
    """A SavedModel in the bucket."""
    return put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")


@pytest.fixture(scope="module")
def model(projects: Any, uri: str) -> str:
    """A model with one version, that predicts twice the sum of the features."""
    name = make_model(projects, "summing")
    make_version(projects, name, "v1", uri)
    return name


def lines(cloud: LocalCloud, output: str) -> tuple[list[Any], list[Any]]:
    """Return the result lines and the error records below an output path, having checked the files' names."""
    found: dict[str, list[Any]] = {"results": [], "errors_stats": []}
    files = read_objects(cloud, output)
    for kind in found:
        names = sorted(name for name in files if name.startswith(f"prediction.{kind}-"))
        assert names == [f"prediction.{kind}-{n:05}-of-{len(names):05}" for n in range(len(names))]
        found[kind] = [orjson.loads(line) for name in names for line in files[name].splitlines()]
    return found["results"], found["errors_stats"]


def test_a_job_predicts_every_row_once(local_cloud: LocalCloud, projects: Any, model: str) -> None:
    """Every row of every matching object comes out once, as the prediction alone, in the output path itself."""
    for number in range(3):
        rows = instances(range(number * 100, number * 100 + 100))
        put_object(local_cloud, BUCKET, f"in/{number}.jsonl", rows)
    output = f"gs://{BUCKET}/out/all"
    twice = [f"gs://{BUCKET}/in/*"] * 2
    body = job_body("every_row", twice, output, modelName=model, batchSize=7, maxWorkerCount="2")
    created = projects.jobs().create(parent=PROJECT, body={**body, "labels": {"team": "a"}}).execute()
    assert (created["jobId"], created["state"]) == ("every_row", "QUEUED")
    assert created["predictionOutput"] == {"outputPath": output}
    assert (created["predictionInput"]["batchSize"], created["predictionInput"]["runtimeVersion"]) == ("7", "2.1")
    job = finished(projects, "every_row")
    assert job["state"] == "SUCCEEDED", job
    results, errors = lines(local_cloud, output)
    assert all(line == {"prediction": [line["key"] * 6.0], "key": line["key"]} for line in results)
    assert sorted(line["key"] for line in results) == list(range(300))
    assert errors == []
    assert job["predictionOutput"]["predictionCount"] == "300"
    assert "errorCount" not in job["predictionOutput"]
    assert job["predictionOutput"]["nodeHours"] > 0
    assert job["createTime"] <= job["startTime"] <= job["endTime"]


def test_bad_lines_are_counted_and_named(local_cloud: LocalCloud, projects: Any, model: str) -> None:
    """A bad line costs itself only; the error file names its object and line, the job counts it."""
    path = put_object(local_cloud, BUCKET, "bad.jsonl", instances(range(5)) + b"no json\n" + instances(range(5, 9)))
    body = job_body("bad_lines", [path], f"gs://{BUCKET}/out/bad", versionName=f"{model}/versions/v1")
    projects.jobs().create(parent=PROJECT, body=body).execute()
    job = finished(projects, "bad_lines")
    results, errors = lines(local_cloud, f"gs://{BUCKET}/out/bad")
    assert sorted(line["key"] for line in results) == list(range(9))
    assert [(error["file"], error["line"]) for error in errors] == [(path, 6)]
    assert (job["predictionOutput"]["predictionCount"], job["predictionOutput"]["errorCount"]) == ("9", "1")


def test_a_job_writes_csv(local_cloud: LocalCloud, projects: Any, uri: str, tmp_path: Path) -> None:
    """Rows of every shard have the columns that a file beside them names, lists as Python prints them; all join."""
    path = put_object(local_cloud, BUCKET, "csv.jsonl", instances(range(20)) + b"no json\n")
    body = job_body("as_csv", [path], f"gs://{BUCKET}/out/csv", uri=uri, outputDataFormat="CSV")
    projects.jobs().create(parent=PROJECT, body=body).execute()
    assert finished(projects, "as_csv")["predictionOutput"]["predictionCount"] == "20"
    files = read_objects(local_cloud, f"gs://{BUCKET}/out/csv")
    (tmp_path / "asked").write_bytes(instances(range(20)))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    summary = join(tmp_path / "asked", *find_shards(tmp_path), tmp_path / "joined", ("jsonl",))
    assert (summary.complete, summary.joined, summary.unknown.count) == (True, 20, 0)
    header = files.pop("prediction.results_header.csv")
    errors = [files.pop(name) for name in sorted(files) if name.startswith("prediction.errors_stats-")]
    assert b"".join(errors).count(b"\n") == 1
    assert sorted(files) == [f"prediction.results-{n:05}-of-{len(files):05}.csv" for n in range(len(files))]
    text = (header + b"".join(files.values())).decode()
    rows = [(int(row["key"]), row["prediction"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert sorted(rows) == [(key, f"[{key * 6.0}]") for key in range(20)]


def test_a_job_may_name_the_folder_of_a_model(local_cloud: LocalCloud, projects: Any, uri: str) -> None:
    """`uri` needs neither model nor version; a bucket itself may be the output path."""
    make_bucket(local_cloud, "classic-bare-output")
    path = put_object(local_cloud, BUCKET, "few.jsonl", instances(range(4)))
    body = job_body("by_uri", [path], "gs://classic-bare-output", uri=uri, signatureName="serving_default")
    projects.jobs().create(parent=PROJECT, body=body).execute()
    assert finished(projects, "by_uri")["state"] == "SUCCEEDED"
    found = read_objects(local_cloud, "gs://classic-bare-output")
    assert found == {}  # nothing below a folder without a name
    address = f"{local_cloud.url}/storage/v1/b/classic-bare-output/o?prefix=prediction.results-"
    assert b"prediction.results-00000-of-" in requests.get(address, timeout=30).content


def test_a_job_that_cannot_run_says_why(local_cloud: LocalCloud, projects: Any, model: str, uri: str) -> None:
    """Missing input and unknown signatures fail the job with a text that names them."""
    path = put_object(local_cloud, BUCKET, "one.jsonl", instances(range(1)))
    nothing = f"gs://{BUCKET}/nothing/*"
    bodies = {
        nothing: job_body("no_input", [nothing], f"gs://{BUCKET}/out/x", modelName=model),
        "other_name": job_body("no_signature", [path], f"gs://{BUCKET}/out/x", uri=uri, signatureName="other_name"),
    }
    for text, body in bodies.items():
        projects.jobs().create(parent=PROJECT, body=body).execute()
        job = finished(projects, body["jobId"])
        assert job["state"] == "FAILED"
        assert text in job["errorMessage"]
        assert str(local_cloud.state) not in job["errorMessage"]


def test_jobs_are_listed_labelled_and_never_twice(local_cloud: LocalCloud, projects: Any, model: str) -> None:
    """A job id is given once; only labels change; the newest comes first; Vertex AI's lists do not show them."""
    path = put_object(local_cloud, BUCKET, "one.jsonl", instances(range(1)))
    for one in ("first_one", "second_one"):
        body = job_body(one, [path], f"gs://{BUCKET}/out/{one}", modelName=model)
        projects.jobs().create(parent=PROJECT, body=body).execute()
    again = refused(projects.jobs().create(parent=PROJECT, body=body))
    assert again == (409, "Field: job.job_id Error: A job with this id already exists.")
    job = finished(projects, "second_one")
    name = f"{PROJECT}/jobs/second_one"
    labelled = projects.jobs().patch(name=name, updateMask="labels", body={"labels": {"a": "b"}, "etag": job["etag"]})
    assert labelled.execute()["labels"] == {"a": "b"}
    assert refused(labelled)[0] == 409
    assert refused(projects.jobs().patch(name=name, updateMask="state", body={}))[0] == 400
    finished(projects, "first_one")
    page = projects.jobs().list(parent=PROJECT, pageSize=1, filter="state=SUCCEEDED").execute()
    assert [found["jobId"] for found in page["jobs"]] == ["second_one"]
    following = projects.jobs().list(parent=PROJECT, filter="state=SUCCEEDED", pageToken=page["nextPageToken"])
    assert following.execute()["jobs"][0]["jobId"] == "first_one"
    with vertex_client(local_cloud) as locations:
        listed = locations.batchPredictionJobs().list(parent=PARENT).execute().get("batchPredictionJobs", [])
    assert not [job for job in listed if "/locations/" not in job["name"]]


def test_a_cancelled_job_is_cancelled(local_cloud: LocalCloud, projects: Any) -> None:
    """Cancelling ends a job; cancelling one that is over changes nothing."""
    slow = put_model(local_cloud, BUCKET, "slow")
    path = put_object(local_cloud, BUCKET, "many.jsonl", instances(range(20000)))
    body = job_body("stopped", [path], f"gs://{BUCKET}/out/stopped", uri=slow, batchSize=1)
    projects.jobs().create(parent=PROJECT, body=body).execute()
    assert projects.jobs().cancel(name=f"{PROJECT}/jobs/stopped").execute() == {}
    job = finished(projects, "stopped")
    assert (job["state"], "cancelled" in job["errorMessage"]) == ("CANCELLED", True)
    projects.jobs().cancel(name=f"{PROJECT}/jobs/stopped").execute()
    assert finished(projects, "stopped") == job


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"dataFormat": "CSV"}, 400, "Field: prediction_input.data_format"),
    ({"outputDataFormat": "TF_RECORD"}, 400, "Field: prediction_input.output_data_format"),
    ({"inputPaths": []}, 400, "Field: prediction_input.input_paths"),
    ({"inputPaths": ["gs://b/*/c"]}, 400, "at the end only"),
    ({"inputPaths": ["/tmp/a"]}, 400, "'/tmp/a'"),
    ({"outputPath": "gs://no-such-bucket-here/x"}, 400, "does not exist"),
    ({"region": ""}, 400, "Field: prediction_input.region"),
    ({"region": "mars"}, 400, "'mars' is not supported"),
    (
        {"modelName": f"{PROJECT}/models/none"},
        404,
        'Field: prediction_input.model_name Error: The model resource: "none"',
    ),
    ({"uri": "gs://a/b"}, 400, "Exactly one of"),
    ({"runtimeVersion": "2.2"}, 400, "The latest that does is 2.1"),
    ({"batchSize": "0"}, 400, "Field: prediction_input.batch_size"),
]


@pytest.mark.parametrize(("changes", "status", "text"), WRONG)
def test_job_refusals(projects: Any, model: str, changes: dict[str, Any], status: int, text: str) -> None:
    """What the service refuses is refused before anything runs, and what cannot be run here is said to be so."""
    body = job_body("refused", [f"gs://{BUCKET}/a"], f"gs://{BUCKET}/out", **{"modelName": model, **changes})
    found = refused(projects.jobs().create(parent=PROJECT, body=body))
    assert found[0] == status
    assert text in found[1]
    assert refused(projects.jobs().get(name=f"{PROJECT}/jobs/refused"))[0] == 404


def test_only_the_old_machine_type_predicts_in_batches(projects: Any, uri: str) -> None:
    """A version on a Compute Engine machine serves online only."""
    name = make_model(projects, "online_only")
    make_version(projects, name, "v1", uri, machineType="n1-standard-2")
    body = job_body("wrong_machine", [f"gs://{BUCKET}/a"], f"gs://{BUCKET}/out", modelName=name)
    status, text = refused(projects.jobs().create(parent=PROJECT, body=body))
    assert (status, "mls1-c1-m2" in text) == (400, True)
    training = {"jobId": "trains", "trainingInput": {"region": "us-central1", "scaleTier": "BASIC"}}
    assert refused(projects.jobs().create(parent=PROJECT, body=training))[0] == 501


@pytest.mark.long
def test_everything_survives_a_restart(tmp_path: Any) -> None:
    """Versions serve again when they are asked, and an unfinished job goes on."""
    cloud = start_cloud(tmp_path / "state")
    bucket = make_bucket(cloud, "classic-restarts")
    with client(cloud) as projects:
        name = make_model(projects, "kept")
        make_version(projects, name, "v1", put_model(cloud, bucket, "sum"))
        path = put_object(cloud, bucket, "in.jsonl", instances(range(1000)))
        body = job_body("kept_on", [path], f"gs://{bucket}/out", modelName=name)
        projects.jobs().create(parent=PROJECT, body=body).execute()
    cloud.kill()
    cloud = start_cloud(tmp_path / "state")
    try:
        with client(cloud) as projects:
            predictions = projects.predict(name=name, body=ROWS).execute()["predictions"]
            assert predictions == [{"prediction": [12.0], "key": 7}, {"prediction": [3.0], "key": 8}]
            assert finished(projects, "kept_on")["predictionOutput"]["predictionCount"] == "1000"
        results, _ = lines(cloud, f"gs://{bucket}/out")
        assert sorted(line["key"] for line in results) == list(range(1000))
    finally:
        cloud.stop()


def test_parity_loses_the_batch_of_a_bad_line(local_cloud: LocalCloud, projects: Any, model: str) -> None:
    """With its label, a job loses the 64 rows of a bad line's batch and tells them as one tuple, as the service did."""
    rows = instances(range(10)) + b"not json\n" + instances(range(11, 74))
    path, output = put_object(local_cloud, BUCKET, "parity.jsonl", rows), f"gs://{BUCKET}/out/parity"
    body = job_body("parity", [path], output, modelName=model, maxWorkerCount="1")
    projects.jobs().create(parent=PROJECT, body={**body, "labels": {"local-cloud-parity": "true"}}).execute()
    counts = finished(projects, "parity")["predictionOutput"]
    files = read_objects(local_cloud, output)
    told = b"".join(text for name, text in files.items() if ".errors_stats-" in name).decode().splitlines()
    assert told == ["('not JSON at byte 5: \"not json\"', 1)"]
    assert (counts["errorCount"], counts["predictionCount"]) == ("64", "10")
