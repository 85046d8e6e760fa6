"""`invoke migrate`: AI Platform's job becomes one that Vertex AI takes, and what is lost is listed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InfraError
from infra.migration import FORMATS, migrate, read_job
from tests.cloud import LocalCloud
from tests.vertex import client, make_bucket, model_body, put_model, put_object, upload_model
from tests.vertex_jobs import finished, instances, keys_of, results

ROOT = Path(__file__).parent.parent
MODEL = "projects/local-project/models/Summing_Up"
PREDICTION: dict[str, Any] = {
    "versionName": f"{MODEL}/versions/V1_new",
    "dataFormat": "TEXT",
    "inputPaths": ["gs://migrated/in.jsonl", "gs://migrated/in.jsonl"],
    "outputPath": "gs://migrated/out",
    "region": "us-central1",
    "runtimeVersion": "2.1",
    "maxWorkerCount": "2",
    "batchSize": "7",
}
JOB = {"jobId": "old_job", "labels": {"team": "a"}, "predictionInput": PREDICTION}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the job with other fields in its input."""
    return {**JOB, "predictionInput": {**PREDICTION, **fields}}


def test_a_migrated_job_runs(local_cloud: LocalCloud) -> None:
    """The new body is taken as it is, and predicts the same rows with the model uploaded under the wanted id."""
    uri = put_model(local_cloud, make_bucket(local_cloud, "migrated"), "sum")
    put_object(local_cloud, "migrated", "in.jsonl", instances(range(20)))
    made = migrate(JOB)
    model, _, alias = made.body["model"].partition("@")
    assert (model.rpartition("/")[2], alias) == ("summing_up", "v1-new")
    with client(local_cloud) as locations:
        body = model_body(uri, versionAliases=[alias])
        upload_model(locations, body, modelId="summing_up")
        created = locations.batchPredictionJobs().create(parent=made.parent, body=made.body).execute()
        job = finished(locations, created["name"])
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    assert (job["displayName"], job["labels"]) == ("old_job", {"team": "a"})
    assert job["manualBatchTuningParameters"] == {"batchSize": 7}
    assert job["dedicatedResources"]["startingReplicaCount"] == 2
    assert keys_of(results(local_cloud, job)[0]) == list(range(20))


def test_what_is_lost_is_listed() -> None:
    """Formats, signatures, runtimes and unknown fields without a place in the new job are named, and only they."""
    assert [entry.partition(" ")[0] for entry in migrate(JOB).lost] == ["runtimeVersion"]
    lost = migrate(changed(outputDataFormat="CSV", signatureName="other", extra=1)).lost
    assert [entry.split()[0].rstrip(":") for entry in lost] == [
        "outputDataFormat",
        "signatureName",
        "runtimeVersion",
        "predictionInput.extra",
    ]
    bare = {name: value for name, value in PREDICTION.items() if name != "runtimeVersion"}
    assert migrate({"predictionInput": bare, "state": "SUCCEEDED"}).lost == []


def test_a_folder_becomes_an_unmanaged_model() -> None:
    """`uri` names no model; the project must be said, and the container is the project's own server."""
    given_ = {name: value for name, value in PREDICTION.items() if name != "versionName"} | {"uri": "gs://b/m"}
    with pytest.raises(InfraError, match="--project PROJECT"):
        migrate({"predictionInput": given_})
    body = migrate({"predictionInput": given_}, project="mine").body
    assert body["unmanagedContainerModel"]["artifactUri"] == "gs://b/m"
    assert "mine/serving" in body["unmanagedContainerModel"]["containerSpec"]["imageUri"]
    named = "projects/mine/locations/us-central1/models/m@1"
    assert migrate({"predictionInput": given_}, model=named).body["model"] == named


@pytest.mark.parametrize("name", ["dataFormat", "inputPaths", "outputPath", "region", "versionName"])
def test_what_both_need_must_be_there(name: str) -> None:
    """A job without a field that AI Platform demands is refused by one line."""
    with pytest.raises(InfraError):
        migrate(changed(**{name: ""}))


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (changed(modelName=MODEL), "modelName and versionName"),
        (changed(versionName=MODEL), "of the form projects/P/models/M/versions/V"),
        (changed(maxWorkerCount="many"), "maxWorkerCount is 'many'"),
        (changed(maxWorkerCount=-1), "maxWorkerCount is -1"),
        (changed(batchSize=True), "batchSize is True"),
        (changed(inputPaths="gs://b/a"), "a list of gs://BUCKET/NAME"),
        (changed(inputPaths=["gs://b/*/a"]), "with a \\* at its end only"),
        (changed(inputPaths=["/tmp/a"]), "'/tmp/a'"),
        (changed(outputPath="out"), "of the form gs://BUCKET/FOLDER"),
        (changed(region=["us-central1"]), "region is .* a text"),
        ({**JOB, "labels": ["a"]}, "labels is"),
        ({**JOB, "jobId": 5}, "jobId is 5"),
    ],
)
def test_what_ai_platform_would_refuse_is_refused(job: dict[str, Any], text: str) -> None:
    """Wrong types, names and addresses are said in one line, field and value."""
    with pytest.raises(InfraError, match=text) as caught:
        migrate(job)
    assert "\n" not in str(caught.value)


def test_names_become_those_that_vertex_ai_takes() -> None:
    """Ids keep to 63 characters, an alias has two at least; a model that is named must be one, of the job's region."""
    assert migrate(changed(versionName=f"{MODEL}/versions/V_")).body["model"].endswith("/summing_up@version-v")
    long = migrate(changed(versionName=f"projects/p/models/{'A' * 80}/versions/v1")).body["model"]
    assert long.endswith(f"/models/{'a' * 63}@v1")
    for name in ("summing", "projects/p/locations/europe-west1/models/m"):
        with pytest.raises(InfraError, match="--model"):
            migrate(JOB, model=name)


@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.sampled_from(["gs://a/b", "gs://a/c*"]), min_size=1),
    st.integers(1, 1000),
)
def test_formats_paths_and_counts_are_carried_over(form: str, paths: list[str], count: int) -> None:
    """Every format has its name, a path named twice is read once, counts are numbers."""
    body = migrate(changed(dataFormat=form, inputPaths=paths, maxWorkerCount=str(count))).body
    assert body["inputConfig"]["instancesFormat"] == FORMATS[form]
    assert sorted(body["inputConfig"]["gcsSource"]["uris"]) == sorted(set(paths))
    assert body["dedicatedResources"]["startingReplicaCount"] == count


@pytest.mark.parametrize(
    ("text", "what"), [("{", "is not JSON"), ("[]", "no batch prediction"), ('{"trainingInput": {}}', "a training job")]
)
def test_other_files_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """What is no batch prediction is said to be so."""
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(InfraError, match=what):
        read_job(tmp_path / "job.json")
    with pytest.raises(InfraError, match="Cannot read"):
        read_job(tmp_path / "none.json")


def test_the_task_prints_the_body_and_the_losses(tmp_path: Path) -> None:
    """`invoke migrate job.json --json` ends with one object; `--output` writes the body."""
    (tmp_path / "job.json").write_text(json.dumps(PREDICTION))
    target = tmp_path / "vertex.json"
    command = ["-m", "invoke", "migrate", str(tmp_path / "job.json"), "--output", str(target), "--json"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(target.read_text()) == facts["body"]
    assert facts["parent"] == "projects/local-project/locations/us-central1"
    assert "not carried over: runtimeVersion 2.1" in done.stderr


def test_help_behind_the_name_is_help() -> None:
    """Invoke takes it for the file's name: the task explains itself all the same."""
    command = [sys.executable, "-m", "invoke", "migrate", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Usage: inv[oke] [--core-opts] migrate" in told
    assert "--output=STRING" in told
