"""Models, their files and their jobs' buckets must be where the request goes, as on Vertex AI."""

import json
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from infra.regions import REGIONS
from tests.cloud import LocalCloud
from tests.vertex import PARENT, SERVED, client, make_bucket, model_body, put_model, put_object, wait_operation
from tests.vertex_jobs import instances, job_body

ELSEWHERE = "The Cloud Storage bucket of `{}` is in location `europe-west4`. It must be in the same regional location"


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud) -> str:
    """Upload a model in us-central1; return its name."""
    bucket = make_bucket(local_cloud, "places")
    put_object(local_cloud, bucket, "in.jsonl", instances(range(3)))
    put_object(local_cloud, _european(local_cloud), "in.jsonl", instances(range(3)))
    with client(local_cloud) as locations:
        body = {"model": model_body(put_model(local_cloud, bucket, "sum"))}
        made = wait_operation(locations, locations.models().upload(parent=PARENT, body=body).execute())
    return str(made["response"]["model"])


def _european(cloud: LocalCloud) -> str:
    body = {"name": "places-europe", "location": "europe-west4"}
    answer = requests.post(f"{cloud.url}/storage/v1/b?project=local-project", json=body, timeout=30)
    assert answer.status_code in {200, 409}, answer.text
    return body["name"]


def _refused(call: Any) -> dict[str, Any]:
    with pytest.raises(HttpError) as refused:
        call.execute()
    return dict(json.loads(refused.value.content)["error"])


@pytest.mark.parametrize(
    ("source", "target"), [("places-europe", "places"), ("places", "places-europe")], ids=["input", "output"]
)
def test_a_jobs_buckets_are_in_its_location(local_cloud: LocalCloud, model: str, source: str, target: str) -> None:
    """A bucket of another region is refused in the service's words, wherever the job names it."""
    uris = {"places-europe": "gs://places-europe/in.jsonl" if source == "places-europe" else "gs://places-europe/out"}
    body = job_body(model, [f"gs://{source}/in.jsonl"], f"gs://{target}/out")
    with client(local_cloud) as locations:
        error = _refused(locations.batchPredictionJobs().create(parent=PARENT, body=body))
    assert error["status"] == "FAILED_PRECONDITION"
    assert error["message"].startswith(ELSEWHERE.format(uris["places-europe"]))
    assert error["message"].endswith("as the service location `us-central1`.")


def test_a_models_files_are_in_its_location(local_cloud: LocalCloud, model: str) -> None:
    """An artifact of another region is refused before anything is copied."""
    assert model
    body = {"model": model_body("gs://places-europe/model")}
    with client(local_cloud) as locations:
        error = _refused(locations.models().upload(parent=PARENT, body=body))
    assert error["message"].startswith(ELSEWHERE.format("gs://places-europe/model"))


def test_jobs_and_endpoints_take_models_of_their_location(local_cloud: LocalCloud, model: str) -> None:
    """A model of another location is refused, for a job and for a deployment."""
    parent = PARENT.replace("us-central1", "europe-west4")
    job = job_body(model, ["gs://places-europe/in.jsonl"], "gs://places-europe/out")
    with client(local_cloud) as locations:
        error = _refused(locations.batchPredictionJobs().create(parent=parent, body=job))
        assert (error["status"], "'europe-west4'" in error["message"]) == ("INVALID_ARGUMENT", True)
        endpoints = locations.endpoints()
        made = wait_operation(locations, endpoints.create(parent=parent, body={"displayName": "e"}).execute())
        body = {"deployedModel": {"model": model, "dedicatedResources": SERVED}}
        error = _refused(endpoints.deployModel(endpoint=made["response"]["name"], body=body))
        assert (error["status"], "'europe-west4'" in error["message"]) == ("INVALID_ARGUMENT", True)


def test_every_region_of_a_stack_is_a_location(local_cloud: LocalCloud) -> None:
    """Whatever region a stack may be in, the local cloud has it."""
    listed = requests.get(f"{local_cloud.url}/aiplatform/v1/projects/p/locations?pageSize=100", timeout=30).json()
    assert {location["locationId"] for location in listed["locations"]} >= REGIONS
    place = f"{local_cloud.url}/aiplatform/v1/projects/p/locations"
    assert requests.get(f"{place}/europe-west9", timeout=30).json()["displayName"] == "Paris"
    assert requests.get(f"{place}/mars-north1", timeout=30).status_code == 404
