"""Vertex AI's verbs: what they send is documented, what they read is right, what goes wrong is one line."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httplib2
import pytest
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from infra import google_client, prediction
from infra.google_client import Connection, PredictionApiError, connect, default_credentials, execute
from infra.operations import told
from infra.prediction import BatchJob
from tests.cloud import LocalCloud
from tests.discovery import Recorder, check_request
from tests.local_stack import CONTAINER, connection, new_bucket, outputs, unique, upload_artifact

GOOGLE = Connection("my-project", "europe-west4", "https://europe-west4-aiplatform.googleapis.com/", "token")
MODEL = f"{GOOGLE.parent}/models/m"
ENDPOINT = f"{GOOGLE.parent}/endpoints/1234567890"
JOB = f"{GOOGLE.parent}/batchPredictionJobs/1"
UPLOAD = {"displayName": "m", "artifactUri": "gs://b/m", "containerSpec": CONTAINER, "labels": {"stack": "dev"}}
DEPLOYED = {
    "id": "1",
    "model": f"{MODEL}@1",
    "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 1},
    "serviceAccount": "a@b",
}
BATCH = BatchJob("nightly", f"{MODEL}@1", ["gs://b/i.jsonl"], "gs://b/p", "n1-standard-2", 2, 64, "a@b", {"w": "x"})
ANSWER = {
    "name": f"{MODEL}/operations/1",
    "done": True,
    "response": {"model": MODEL, "modelVersionId": "1", "deployedModel": {"id": "1"}},
    "state": "JOB_STATE_SUCCEEDED",
}

VERBS: dict[str, Callable[[], Any]] = {
    "models.upload": lambda: prediction.upload_model(GOOGLE, UPLOAD, model_id="m"),
    "models.upload of a version": lambda: prediction.upload_model(GOOGLE, UPLOAD, parent_model=MODEL),
    "models.get": lambda: prediction.get_model(GOOGLE, MODEL),
    "models.get of a version": lambda: prediction.get_model(GOOGLE, f"{MODEL}@2"),
    "models.list": lambda: prediction.list_models(GOOGLE, "labels.stack=dev"),
    "models.listVersions": lambda: prediction.list_versions(GOOGLE, MODEL),
    "models.patch": lambda: prediction.patch_model(GOOGLE, MODEL, {"description": "d", "labels": {"a": "b"}}),
    "models.mergeVersionAliases": lambda: prediction.merge_aliases(GOOGLE, f"{MODEL}@2", "default", "-old"),
    "models.delete": lambda: prediction.delete_model(GOOGLE, MODEL),
    "models.deleteVersion": lambda: prediction.delete_version(GOOGLE, f"{MODEL}@2"),
    "models.operations.get": lambda: prediction.wait_operation(GOOGLE, {"name": f"{MODEL}/operations/1"}, MODEL),
    "operations.get": lambda: prediction.wait_operation(GOOGLE, {"name": f"{GOOGLE.parent}/operations/1"}, MODEL),
    "endpoints.get": lambda: prediction.get_endpoint(GOOGLE, ENDPOINT),
    "endpoints.deployModel": lambda: prediction.deploy(GOOGLE, ENDPOINT, DEPLOYED),
    "endpoints.undeployModel": lambda: prediction.undeploy(GOOGLE, ENDPOINT, "1"),
    "endpoints.predict": lambda: prediction.predict_online(GOOGLE, ENDPOINT, [{"features": [1.0], "key": 0}]),
    "batchPredictionJobs.create": lambda: prediction.create_batch_job(GOOGLE, BATCH),
    "batchPredictionJobs.get": lambda: prediction.wait_batch_job(GOOGLE, JOB),
    "batchPredictionJobs.list": lambda: prediction.list_batch_jobs(GOOGLE, 'displayName="nightly"'),
    "batchPredictionJobs.cancel": lambda: prediction.cancel_batch_job(GOOGLE, JOB),
    "batchPredictionJobs.delete": lambda: prediction.delete_batch_job(GOOGLE, JOB),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_request_is_documented(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path, parameters and body of every call are what Google's discovery document has."""
    recorder = Recorder(ANSWER)
    service = build("aiplatform", "v1", static_discovery=True, cache_discovery=False, http=recorder)
    monkeypatch.setattr(google_client, "_client", lambda *_: service)
    VERBS[verb]()
    called = [check_request("aiplatform.v1", *request) for request in recorder.sent]
    assert f"aiplatform.projects.locations.{verb.split(maxsplit=1)[0]}" in called


def upload(cloud: LocalCloud, folder: Path, name: str, **extra: Any) -> prediction.ModelVersion:
    """Upload a model (no server runs it) under a name of its own."""
    artifact = upload_artifact(cloud, folder, new_bucket(cloud), unique("digest"))
    body = {"displayName": name, "artifactUri": artifact, "containerSpec": CONTAINER}
    return prediction.upload_model(connection(cloud), body, **extra)


def test_versions_and_aliases_live_and_go(local_cloud: LocalCloud, tmp_path: Path) -> None:
    """Upload, second version, alias moved, both deleted; what is gone is deleted without error."""
    there, name = connection(local_cloud), unique("model")
    first = upload(local_cloud, tmp_path, name, model_id=name)
    second = upload(local_cloud, tmp_path, name, parent_model=first.model)
    assert (first.version, second.version) == ("1", "2")
    prediction.merge_aliases(there, second.name, "default")
    standing = prediction.get_model(there, first.model)
    assert standing is not None
    assert standing["versionId"] == "2"
    prediction.delete_version(there, first.name)
    prediction.delete_version(there, first.name)
    assert [version["versionId"] for version in prediction.list_versions(there, first.model)] == ["2"]
    assert name in [model["displayName"] for model in prediction.list_models(there)]
    prediction.delete_model(there, first.model)
    prediction.delete_model(there, first.model)
    assert prediction.get_model(there, first.model) is None


def test_a_version_is_found_by_what_it_was_made_from(local_cloud: LocalCloud, tmp_path: Path) -> None:
    """The same artifact in another container is another version; a last slash makes no difference."""
    there, name = connection(local_cloud), unique("model")
    version = upload(local_cloud, tmp_path, name, model_id=name)
    (live,) = prediction.list_versions(there, version.model)
    wanted = {"artifactUri": f"{live['artifactUri']}/", "containerSpec": CONTAINER}
    found = prediction.find_version(there, version.model, wanted)
    assert found is not None
    assert found["versionId"] == "1"
    other = {**wanted, "containerSpec": {**CONTAINER, "imageUri": "other/image"}}
    assert prediction.find_version(there, version.model, other) is None


def test_more_models_than_a_page_holds_are_all_listed(
    local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists go on to the last page."""
    monkeypatch.setattr(prediction, "PAGE", 1)
    names = {unique("page") for _ in range(3)}
    for name in names:
        upload(local_cloud, tmp_path, name, model_id=name)
    assert names <= {model["displayName"] for model in prediction.list_models(connection(local_cloud))}


def test_a_refusal_is_one_line_with_resource_reason_and_remedy(local_cloud: LocalCloud) -> None:
    """Google's words, the resource, the way out; the status for those who look at it."""
    there = connection(local_cloud)
    with pytest.raises(PredictionApiError) as caught:
        prediction.patch_model(there, f"{there.parent}/models/absent", {"description": "x"})
    assert caught.value.status == 404
    line = str(caught.value)
    assert "\n" not in line
    assert f"{there.parent}/models/absent" in line
    assert line.endswith("Run: invoke up")


def test_an_operation_that_fails_says_why(local_cloud: LocalCloud) -> None:
    """An upload of an artifact that is not there fails in its operation, not in the call."""
    there = connection(local_cloud)
    body = {"displayName": "x", "artifactUri": "gs://no-such-bucket/m", "containerSpec": CONTAINER}
    with pytest.raises(PredictionApiError, match="no-such-bucket"):
        prediction.upload_model(there, body, model_id=unique("model"))


def test_a_model_whose_artifacts_are_gone_names_the_tasks_that_bring_them_back(local_cloud: LocalCloud) -> None:
    """The service's words for an empty model directory end in upload, then up."""
    there, uri = connection(local_cloud), f"{new_bucket(local_cloud)}/models/decorator/gone"
    body = {"displayName": "x", "artifactUri": uri, "containerSpec": CONTAINER}
    with pytest.raises(PredictionApiError, match=uri) as caught:
        prediction.upload_model(there, body, model_id=unique("model"))
    assert str(caught.value).endswith("Run: invoke upload, then: invoke up")


@pytest.mark.parametrize(
    ("status", "error", "remedy"),
    [
        (403, {"details": [{"reason": "SERVICE_DISABLED"}]}, "gcloud services enable aiplatform.googleapis.com"),
        (
            403,
            {"message": "Permission 'aiplatform.models.upload' denied"},
            "roles/aiplatform.user (aiplatform.models.upload)",
        ),
        (401, {}, "gcloud auth application-default login"),
        (404, {}, "invoke up"),
        (409, {}, "invoke refresh"),
        (429, {"message": "Quota exceeded"}, "https://console.cloud.google.com/iam-admin/quotas?project=my-project"),
        (400, {"message": "List of found errors:\n1.Field: x"}, "Correct what it names"),
        (503, {}, "Try again later"),
    ],
)
def test_every_status_has_its_remedy(status: int, error: dict[str, Any], remedy: str) -> None:
    """Quota, permission and disabled APIs are told apart."""

    class Refusing:
        method = "POST"

        def execute(self) -> None:
            raise HttpError(httplib2.Response({"status": str(status)}), json.dumps({"error": error}).encode())

    with pytest.raises(PredictionApiError) as caught:
        execute(GOOGLE, Refusing(), "models/m")
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == status


class Failing:
    """A request whose first answers are faults; it counts how often it was sent."""

    def __init__(self, method: str, *faults: int) -> None:
        self.method, self.faults, self.sent = method, list(faults), 0

    def execute(self) -> dict[str, Any]:
        """Answer once more."""
        self.sent += 1
        if len(self.faults) >= self.sent:
            raise HttpError(httplib2.Response({"status": str(self.faults[self.sent - 1])}), b"{}")
        return {"sent": self.sent}


@pytest.mark.parametrize(
    ("request_", "repeatable", "sent"),
    [
        (Failing("GET", 503, 500, 429), False, 4),
        (Failing("POST", 503), True, 2),
        (Failing("POST", 503), False, 1),
        (Failing("GET", *[503] * 9), False, 5),
        (Failing("GET", 404), False, 1),
        (Failing("POST", 409), True, 1),
    ],
)
def test_only_what_may_be_sent_twice_is_sent_again(
    request_: Failing, repeatable: bool, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults that pass are waited out for reads and for calls that change nothing the second time; refusals never."""
    monkeypatch.setattr("infra.google_client.time.sleep", lambda _: None)
    with suppress(PredictionApiError):
        assert execute(GOOGLE, request_, "models/m", repeatable=repeatable) == {"sent": sent}
    assert request_.sent == sent


def test_uploads_deployments_and_jobs_are_never_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one would be a second version, or paid for twice; aliases and labels are the same the second time."""
    sent: list[tuple[str, bool]] = []

    def noted(_: Any, request: Any, _what: str, *, repeatable: bool = False) -> dict[str, Any]:
        sent.append((str(request.methodId), repeatable))
        return {"done": True, "response": {"model": "m", "modelVersionId": "1", "deployedModel": {}}}

    for module in ("prediction", "batch_jobs", "operations"):
        monkeypatch.setattr(f"infra.{module}.execute", noted)
    there = replace(GOOGLE, token="t")
    prediction.upload_model(there, {})
    prediction.deploy(there, f"{there.parent}/endpoints/1", {})
    job = prediction.BatchJob("d", MODEL, ["gs://b-b/i"], "gs://b-b/o", "n1-standard-2")
    prediction.create_batch_job(there, job)
    prediction.merge_aliases(there, f"{MODEL}@1", "production")
    prediction.patch_model(there, MODEL, {"labels": {}})
    prediction.delete_model(there, MODEL)
    assert [repeatable for _, repeatable in sent] == [False, False, False, True, True, True]


def test_an_answer_that_is_not_googles_is_still_one_line() -> None:
    """A proxy's HTML page does not end in a traceback."""

    class Refusing:
        method = "POST"

        def execute(self) -> None:
            response = httplib2.Response({"status": "502"})
            response.reason = "Bad Gateway"
            raise HttpError(response, b"<html>")

    with pytest.raises(PredictionApiError, match="Bad Gateway"):
        execute(GOOGLE, Refusing(), "models/m")


def test_a_cloud_that_does_not_answer_is_said_at_once() -> None:
    """A local cloud that is not running is not waited for."""
    gone = Connection("local-project", "us-central1", "http://127.0.0.1:9/aiplatform/", "local")
    with pytest.raises(PredictionApiError, match=r"No answer from http://127\.0\.0\.1:9/.* Run: invoke local\.start"):
        prediction.get_model(gone, f"{gone.parent}/models/m")


def test_no_credentials_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Google stack without application default credentials says how to get them."""
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/credentials.json")
    with pytest.raises(PredictionApiError, match="gcloud auth application-default login"):
        default_credentials(None)


def test_outputs_make_the_connection(local_cloud: LocalCloud) -> None:
    """Loopback gets the local cloud's token; Google gets application default credentials."""
    assert connect(outputs(local_cloud)) == connection(local_cloud)
    google = {"project": "my-project", "region": "europe-west4", "apiEndpoint": GOOGLE.endpoint}
    assert connect(google) == Connection("my-project", "europe-west4", GOOGLE.endpoint, None)


def test_a_proxy_is_not_asked_for_this_machine(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local cloud is reached directly, whatever proxy the environment names."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    there = replace(connection(local_cloud), token="a client of its own")
    assert prediction.get_model(there, f"{there.parent}/models/absent") is None


def test_long_operations_tell_that_they_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine shows what a provider prints: one line every half minute, none at the end."""
    times = iter([0.0, 1.0, 29.0, 31.0, 40.0, 62.0, 99.0])
    monkeypatch.setattr("infra.operations.time.monotonic", lambda: next(times))
    tell = told("Model m")
    for _ in range(5):
        tell({"done": False})
    tell({"done": True})
    assert capsys.readouterr().out.splitlines() == [
        "Model m: under way for 31 s, at most 30 minutes",
        "Model m: under way for 62 s, at most 30 minutes",
    ]


def test_an_operation_is_followed_with_progress_and_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look is reported; what is not done in time says that it goes on."""
    states = iter([{"name": f"{MODEL}/operations/1"}] * 50)
    monkeypatch.setattr("infra.operations.execute", lambda *_: next(states))
    monkeypatch.setattr("infra.operations.time.sleep", lambda _: None)
    monkeypatch.setattr("infra.operations._get", lambda *_: None)
    seen: list[Any] = []
    with pytest.raises(PredictionApiError, match="is not done after 0 s"):
        prediction.wait_operation(GOOGLE, next(states), "model", limit=0.3, progress=seen.append)
    assert seen
