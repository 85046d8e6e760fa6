"""A deployed version as a Pulumi resource, against the local cloud, which really serves the model."""

import json
from typing import Any

import pytest

from infra import model_deployment, prediction
from infra.google_client import client
from infra.model_deployment import DeploymentProvider
from infra.storage import upload_folder
from tests.cloud import LocalCloud
from tests.local_stack import CONTAINER, configured, connection, new_bucket, outputs, unique
from tests.models import exported_models


@pytest.fixture(scope="module")
def endpoint(local_cloud: LocalCloud) -> str:
    """An endpoint's full name."""
    there = connection(local_cloud)
    body = {"displayName": unique("endpoint")}
    request = client(there).projects().locations().endpoints().create(parent=there.parent, body=body)
    made: str = prediction.wait_operation(there, request.execute(), "endpoint")["name"]
    return made


@pytest.fixture(scope="module")
def version_names(local_cloud: LocalCloud) -> list[str]:
    """Two versions of one model, made from a real SavedModel."""
    uri = upload_folder(outputs(local_cloud), exported_models().decorator, f"{new_bucket(local_cloud)}/model").uri
    there, name = connection(local_cloud), unique("model")
    body = {"displayName": name, "artifactUri": uri, "containerSpec": CONTAINER}
    first = prediction.upload_model(there, body, model_id=name)
    return [first.name, prediction.upload_model(there, body, parent_model=first.model).name]


def props(endpoint: str, version: str, **extra: Any) -> dict[str, Any]:
    """Return a deployment's properties."""
    account = "prediction-local@local-project.iam.gserviceaccount.com"
    return {
        "endpoint": endpoint,
        "model": version,
        "machine_type": "n1-standard-2",
        "service_account": account,
        **extra,
    }


def deployed(cloud: LocalCloud, endpoint: str) -> dict[str, str]:
    """Return the endpoint's deployed models and the versions that they serve."""
    live = prediction.get_endpoint(connection(cloud), endpoint) or {}
    return {entry["id"]: entry["modelVersionId"] for entry in live.get("deployedModels", [])}


def begin_deployment(cloud: LocalCloud, wanted: dict[str, Any]) -> None:
    """Ask for a deployment and do not wait for it: what is left of a run that was killed."""
    deployed_model = model_deployment._deployed_model(wanted, model_deployment._deployed_id(wanted))
    body = {"deployedModel": deployed_model, "trafficSplit": {"0": 100}}
    endpoints = client(connection(cloud)).projects().locations().endpoints()
    operation = endpoints.deployModel(endpoint=wanted["endpoint"], body=body).execute()
    assert not operation.get("done")


def test_a_version_is_deployed_found_again_replaced_and_undeployed(
    local_cloud: LocalCloud, endpoint: str, version_names: list[str]
) -> None:
    """A killed run's deployment is waited for, not doubled; a new version takes the traffic before the old one goes."""
    provider = configured(DeploymentProvider(), local_cloud)
    wanted = props(endpoint, version_names[0])
    begin_deployment(local_cloud, wanted)
    first = provider.create(wanted)
    first_id = first.outs["deployed_model_id"]
    assert first.id == f"{endpoint}/deployedModels/{first_id}"
    assert deployed(local_cloud, endpoint) == {first_id: "1"}
    assert provider.create(wanted).id == first.id
    assert deployed(local_cloud, endpoint) == {first_id: "1"}
    assert provider.read(first.id, first.outs).outs == first.outs
    assert provider.read(first.id, {}).outs == first.outs
    assert not provider.diff(first.id, first.outs, wanted).changes

    instance = {"features": [0.0] * 13, "key": 7}
    answer = prediction.predict_online(connection(local_cloud), endpoint, [instance])
    assert answer["predictions"][0]["key"] == 7
    assert answer["deployedModelId"] == first_id

    newer = props(endpoint, version_names[1])
    diff = provider.diff(first.id, first.outs, newer)
    assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["model"], None)
    second = provider.create(newer)
    live = prediction.get_endpoint(connection(local_cloud), endpoint)
    assert live is not None
    assert live["trafficSplit"] == {second.outs["deployed_model_id"]: 100}
    provider.delete(first.id, first.outs)
    assert deployed(local_cloud, endpoint) == {second.outs["deployed_model_id"]: "2"}
    assert provider.read(first.id, first.outs).id == ""
    provider.delete(first.id, first.outs)

    provider.delete(second.id, second.outs)
    assert deployed(local_cloud, endpoint) == {}
    assert "trafficSplit" not in json.dumps(prediction.get_endpoint(connection(local_cloud), endpoint))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"model": "projects/p/locations/l/models/m"}, "model"),
        ({"endpoint": "1234567890"}, "endpoint"),
        ({"machine_type": ""}, "machine_type"),
    ],
)
def test_what_vertex_ai_would_refuse_fails_the_check(change: dict[str, Any], wrong: str) -> None:
    """A deployment names one version of a model, never whatever the alias points at."""
    right = props("projects/p/locations/l/endpoints/1", "projects/p/locations/l/models/m@3")
    assert DeploymentProvider().check({}, dict(right)).failures == []
    failures = DeploymentProvider().check({}, {**right, **change}).failures
    assert [failure.property for failure in failures] == [wrong]


@pytest.mark.parametrize("key", ["endpoint", "model", "machine_type", "service_account"])
def test_any_change_deploys_anew(key: str) -> None:
    """Vertex AI changes nothing of a deployed model but its number of machines."""
    old = props("e", "m@1")
    assert DeploymentProvider().diff("id", old, {**old, key: "other"}).replaces == [key]
