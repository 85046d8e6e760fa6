"""Models and versions of AI Platform as Pulumi resources, against the local cloud's ml v1."""

import sys
from pathlib import Path
from typing import Any

import pytest

from infra import classic_jobs, classic_prediction, local_run, platforms
from infra.batch_jobs import BatchJob
from infra.classic_version import ClassicModelProvider, ClassicVersionProvider
from infra.google_client import PredictionApiError
from infra.settings import SettingError, from_config, local_stack_config
from infra.stacks import StackError
from tests.cloud import LocalCloud
from tests.local_stack import configured, outputs, unique
from tests.vertex import ROWS, make_bucket, put_model, put_object, read_objects
from tests.vertex_jobs import instances

BUCKET = "classic-stack"
LABELS = {"app": "keras-batch-prediction", "stack": "tests"}
PLATFORM = "keras-batch-prediction:platform"


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a provider does to its own process when it refuses: tests after these want tracebacks."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture
def models(local_cloud: LocalCloud) -> Any:
    """The provider of models, configured as a stack would."""
    return configured(ClassicModelProvider(), local_cloud)


@pytest.fixture
def versions(local_cloud: LocalCloud) -> Any:
    """The provider of versions."""
    return configured(ClassicVersionProvider(), local_cloud)


@pytest.fixture(scope="module")
def artifact(local_cloud: LocalCloud) -> str:
    """A SavedModel in the bucket."""
    return put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")


def classic_outputs(cloud: LocalCloud) -> dict[str, Any]:
    """Return the outputs of a stack on AI Platform."""
    return {**outputs(cloud), "platform": "ai-platform"}


def model_props() -> dict[str, Any]:
    """Return the properties of a model that no other test has."""
    place = {"project": "local-project", "region": "us-central1", "model_id": unique("m").replace("-", "_")}
    return {**place, "description": "sums", "labels": LABELS}


def version_props(model: str, artifact: str, digest: str = "d1", keep: int = 0) -> dict[str, Any]:
    """Return the properties of a version."""
    runtime = {"runtime_version": "2.1", "python_version": "3.7"}
    source = {"model": model, "artifact_uri": artifact, "digest": digest}
    return {**source, **runtime, "default": True, "keep_versions": keep}


def test_versions_are_numbered_and_the_newest_is_the_default(
    local_cloud: LocalCloud, models: Any, versions: Any, artifact: str
) -> None:
    """A digest is one version, made once; another is the next one and the default; what is not kept goes."""
    name = models.create(model_props()).id
    first = versions.create(version_props(name, artifact))
    again = versions.create(version_props(name, artifact))
    assert (first.id, first.outs["version"], again.id) == (f"{name}/versions/v1", "v1", first.id)
    second = versions.create(version_props(name, artifact, "d2"))
    assert second.outs["version"] == "v2"
    seen = versions.read(first.id, first.outs)
    assert seen.outs["default"] is False
    assert versions.diff(first.id, seen.outs, version_props(name, artifact)).changes
    versions.delete(first.id, first.outs)
    connection = classic_prediction.connect_classic(classic_outputs(local_cloud))
    assert [version["name"] for version in classic_prediction.list_versions(connection, name)] == [second.id]
    versions.delete(second.id, second.outs)  # the default one goes with its model
    models.delete(name, {})
    assert classic_prediction.get_model(connection, name) is None
    assert versions.read(second.id, second.outs).id == ""


def test_models_show_and_mend_drift(local_cloud: LocalCloud, models: Any) -> None:
    """What was changed outside is read, differs, and is put right by an update; unchanged is no change."""
    props = model_props()
    made = models.create(props)
    assert not models.diff(made.id, models.read(made.id, made.outs).outs, props).changes
    connection = classic_prediction.connect_classic(classic_outputs(local_cloud))
    classic_prediction.patch_model(connection, made.id, {"description": "changed"})
    seen = models.read(made.id, made.outs).outs
    assert seen["description"] == "changed"
    assert models.diff(made.id, seen, props).changes
    models.update(made.id, seen, props)
    assert models.read(made.id, made.outs).outs["description"] == "sums"


def test_a_model_of_someone_else_is_not_taken_over(models: Any) -> None:
    """A model without the stack's labels is left alone."""
    props = model_props()
    models.create({**props, "labels": {}})
    with pytest.raises(PredictionApiError, match="not of this stack"):
        models.create(props)


@pytest.mark.long
def test_tasks_speak_to_both_platforms(local_cloud: LocalCloud, models: Any, versions: Any, artifact: str) -> None:
    """Online and batch predictions of a stack on AI Platform go to its version, told in Vertex AI's terms."""
    found = classic_outputs(local_cloud)
    version = versions.create(version_props(models.create(model_props()).id, artifact)).id
    online = platforms.predict_online(found, version, ROWS["instances"])
    assert online["predictions"] == [{"prediction": [12.0], "key": 7}, {"prediction": [3.0], "key": 8}]
    assert online["modelVersionId"] == "v1"
    with pytest.raises(PredictionApiError, match="AI Platform refuses an instance"):
        platforms.predict_online(found, version, [{"key": 1}])
    source = put_object(local_cloud, BUCKET, "in.jsonl", instances(range(9)) + b"not json\n")
    job_id, output = unique("nightly-job"), f"gs://{BUCKET}/{unique('out')}"
    name = platforms.create_job(found, BatchJob(job_id, version, [source], output, "n1-standard-2"))
    assert name == f"projects/local-project/jobs/{job_id.replace('-', '_')}"
    job = platforms.wait_job(found, name)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["completionStats"] == {"successfulCount": "9", "failedCount": "1"}
    assert job["outputInfo"] == {"gcsOutputDirectory": output}
    assert any(each.startswith("prediction.results-") for each in read_objects(local_cloud, output))


def test_failed_jobs_carry_their_reason() -> None:
    """A failed job has the service's message where Vertex AI's has its error."""
    told = classic_jobs.told({"state": "FAILED", "errorMessage": "no such file", "predictionOutput": {}})
    assert (told["state"], told["error"]) == ("JOB_STATE_FAILED", {"message": "no such file"})
    assert classic_jobs.told({"state": "PREPARING"})["state"] == "JOB_STATE_PENDING"


def test_google_has_ai_platform_no_more() -> None:
    """The setting is for local clouds; on Google Cloud it is refused with the date and what to use."""
    local = local_stack_config("http://127.0.0.1:8790")
    assert from_config({**local, PLATFORM: "ai-platform"}).platform == "ai-platform"
    assert from_config(local).platform == "vertex-ai"
    google = {"gcp:project": "my-project", "gcp:region": "us-central1", PLATFORM: "ai-platform"}
    with pytest.raises(SettingError, match=r"2025-01-31.* Use Vertex AI, run: pulumi config set") as refused:
        from_config(google, "prod")
    assert "\n" not in str(refused.value)
    with pytest.raises(SettingError, match="wanted: vertex-ai or ai-platform"):
        from_config({**local, PLATFORM: "sagemaker"})


def test_aliases_are_vertex_ais(local_cloud: LocalCloud) -> None:
    """What moves an alias is refused on AI Platform, in one line."""
    with pytest.raises(StackError, match="promote moves a version's alias, and AI Platform's versions have none"):
        platforms.need_aliases(classic_outputs(local_cloud), "local", "promote")
    platforms.need_aliases(outputs(local_cloud), "local", "promote")


def test_scripts_that_cannot_run_say_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without a script, or with one that is not there, `infra.local_run` ends in one line and code 2."""
    assert local_run.main([]) == 2
    assert local_run.main([str(tmp_path / "gone.py")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("usage: python -m infra.local_run")
    assert second.startswith("No script")
