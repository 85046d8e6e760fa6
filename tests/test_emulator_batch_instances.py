"""Batch jobs with an instanceConfig, and in parity mode: what reaches the model and what the service writes of it."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.emulator.batch_jobs import parity_wanted
from infra.emulator.calls import Cloud
from infra.emulator.resources import Resources
from tests.cloud import LocalCloud
from tests.vertex import (
    PARENT,
    make_bucket,
    model_body,
    put_model,
    put_object,
    read_objects,
    refused,
    upload_model,
)
from tests.vertex_jobs import create, finished, instances, job_body, results

BUCKET = "batch-instances"
OUT = f"gs://{BUCKET}/out"


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud, locations: Any) -> str:
    """A model that predicts twice the sum of the features."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    return str(upload_model(locations, model_body(uri), modelId="batch-instances")["model"])


@pytest.fixture(scope="module")
def named(local_cloud: LocalCloud) -> str:
    """Rows with a field that the model does not take."""
    make_bucket(local_cloud, BUCKET)
    rows = [orjson.dumps({"customer": f"c{key}", "features": [key] * 3, "key": key}) for key in range(20)]
    return put_object(local_cloud, BUCKET, "named.jsonl", b"\n".join(rows) + b"\n")


def run(cloud: LocalCloud, locations: Any, model: str, uri: str, **fields: Any) -> list[Any]:
    """Return a job's result lines, having checked that no row failed."""
    job = finished(locations, create(locations, job_body(model, [uri], OUT, **fields)))
    assert job["completionStats"]["failedCount"] == "0", job
    assert not {"error", "partialFailures"} & set(job)
    return results(cloud, job)[0]


def test_key_field_replaces_the_instance(local_cloud: LocalCloud, locations: Any, model: str, named: str) -> None:
    """The key field is not sent, and stands in the result where the instance would."""
    lines = run(local_cloud, locations, model, named, instanceConfig={"keyField": "customer"})
    assert all(list(line) == ["key", "prediction"] for line in lines)
    found = {line["key"]: line["prediction"]["prediction"] for line in lines}
    assert found == {f"c{key}": [key * 6.0] for key in range(20)}


def test_excluded_fields_are_attached(local_cloud: LocalCloud, locations: Any, model: str, named: str) -> None:
    """Excluded fields are not sent; they stand beside the instance in the result."""
    lines = run(local_cloud, locations, model, named, instanceConfig={"excludedFields": ["customer"]})
    assert {line["customer"] for line in lines} == {f"c{key}" for key in range(20)}
    assert all(set(line["instance"]) == {"features", "key"} for line in lines)


def test_included_fields_alone_are_sent(local_cloud: LocalCloud, locations: Any, model: str, named: str) -> None:
    """Included fields make the instance, and nothing else of the line comes back."""
    config = {"includedFields": ["features", "key"], "instanceType": "object"}
    lines = run(local_cloud, locations, model, named, instanceConfig=config)
    assert all(list(line) == ["instance", "prediction"] for line in lines)
    assert all(set(line["instance"]) == {"features", "key"} for line in lines)


REFUSED = [
    ({"instanceType": "array"}, "included_fields"),
    ({"includedFields": ["key"], "excludedFields": ["features"]}, "Only one of included_fields and excluded_fields"),
    ({"instanceType": "table"}, "'table'"),
]


@pytest.mark.parametrize(("config", "text"), REFUSED)
def test_configurations_that_fit_no_object(
    locations: Any, model: str, named: str, config: dict[str, Any], text: str
) -> None:
    """What could be right for no line of the input is refused before anything runs."""
    body = job_body(model, [named], OUT, instanceConfig=config)
    status, message = refused(locations.batchPredictionJobs().create(parent=PARENT, body=body))
    assert status == 400
    assert text in message


@pytest.mark.parametrize("config", [{"keyField": "a"}, {"excludedFields": ["a"]}, {"instanceType": "object"}])
def test_arrays_have_no_fields(local_cloud: LocalCloud, locations: Any, model: str, config: dict[str, Any]) -> None:
    """Fields cannot be chosen of lines that are arrays."""
    uri = put_object(local_cloud, make_bucket(local_cloud, BUCKET), "arrays.jsonl", b"[1, 2, 3]\n")
    body = job_body(model, [uri], OUT, instanceConfig=config)
    assert refused(locations.batchPredictionJobs().create(parent=PARENT, body=body))[0] == 400


def test_replicas_are_workers(local_cloud: LocalCloud, locations: Any, model: str, named: str) -> None:
    """StartingReplicaCount is the number of workers; maxReplicaCount is echoed and means nothing."""
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 5, "maxReplicaCount": 50}
    job = finished(locations, create(locations, job_body(model, [named], OUT, dedicatedResources=resources)))
    assert job["dedicatedResources"] == resources
    said = local_cloud.state / "jobs" / job["name"].rpartition("/")[2] / "stdout"
    summary = orjson.loads(said.read_bytes().splitlines()[-1])
    assert summary["workers"] == 5
    assert 5 <= len(summary["shards"]) <= 12


def test_parity_is_the_clouds_or_the_jobs(tmp_path: Path) -> None:
    """The cloud's option holds for all jobs, and a job's label for itself."""
    with closing(Resources(tmp_path / "cloud.sqlite")) as resources:
        clouds = [Cloud(resources, tmp_path, "http://127.0.0.1", parity=parity) for parity in (False, True)]
        bodies = [{}, {"labels": {"local-cloud-parity": "true"}}, {"labels": {"local-cloud-parity": "false"}}]
        found = [[parity_wanted(cloud, body) for body in bodies] for cloud in clouds]
    assert found == [[False, True, False], [True, True, False]]


def test_parity_tells_batches_as_the_service(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """With its label a job loses the whole batch of a bad line, and its error files name no row."""
    rows = instances(range(64)) + b"not json\n" + instances(range(65, 128))
    uri = put_object(local_cloud, make_bucket(local_cloud, BUCKET), "parity.jsonl", rows)
    one = {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 1}
    body = job_body(model, [uri], OUT, dedicatedResources=one, labels={"local-cloud-parity": "true"})
    job = finished(locations, create(locations, body))
    files = read_objects(local_cloud, job["outputInfo"]["gcsOutputDirectory"])
    told = b"".join(content for name, content in files.items() if ".errors_stats-" in name).decode().splitlines()
    assert all(
        re.fullmatch(r"\('Post request fails\. Cannot get predictions\. .* retry=3, .*', 1\)", line) for line in told
    )
    assert len(told) == 1
    assert job["completionStats"] == {"successfulCount": "64", "failedCount": "64", "incompleteCount": "0"}
    kept = sum(content.count(b"\n") for name, content in files.items() if ".results-" in name)
    assert kept == 64
