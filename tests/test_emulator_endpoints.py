"""Endpoints of the local Vertex AI: deployed models are servers that answer, through Google's client."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud
from tests.vertex import (
    MACHINE,
    PARENT,
    ROWS,
    SERVED,
    clear,
    client,
    deploy,
    make_bucket,
    make_endpoint,
    model_body,
    put_model,
    refused,
    upload_model,
    wait_operation,
)

BUCKET = "endpoints-of-tests"


@pytest.fixture(scope="module", params=["v1", "v1beta1"])
def locations(request: pytest.FixtureRequest, local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of both versions of the API."""
    with client(local_cloud, request.param) as methods:
        yield methods


@pytest.fixture(scope="module")
def stable(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of v1."""
    with client(local_cloud) as methods:
        yield methods


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud, stable: Any) -> str:
    """A model that predicts twice the sum of the features."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    return str(upload_model(stable, model_body(uri, displayName="sum of three"), modelId="served")["model"])


def test_life_of_an_endpoint(locations: Any) -> None:
    """An endpoint is created under a chosen id, echoes what was sent, is patched by mask and goes away."""
    endpoints = locations.endpoints()
    body = {"displayName": "e 1", "labels": {"v": "1"}, "description": "d"}
    operation = endpoints.create(parent=PARENT, body=body, endpointId="77001").execute()
    name = f"{PARENT}/endpoints/77001"
    assert operation["metadata"]["@type"].endswith("CreateEndpointOperationMetadata")
    assert operation["response"]["name"] == name
    created = endpoints.get(name=name).execute()
    assert {key: created[key] for key in body} == body
    assert refused(endpoints.create(parent=PARENT, body=body, endpointId="77001"))[0] == 409
    patched = endpoints.patch(name=name, updateMask="displayName,labels", body={"displayName": "e 2"}).execute()
    assert (patched["displayName"], "labels" in patched, patched["description"]) == ("e 2", False, "d")
    assert patched["etag"] != created["etag"]
    assert refused(endpoints.patch(name=name, updateMask="name", body={}))[0] == 400
    assert refused(endpoints.patch(name=name, updateMask="trafficSplit", body={"trafficSplit": {"5": 100}}))[0] == 400
    listed = endpoints.list(parent=PARENT, filter='endpoint="77001"').execute()
    assert [endpoint["name"] for endpoint in listed["endpoints"]] == [name]
    assert refused(endpoints.predict(endpoint=name, body=ROWS)) == (400, f"Endpoint {name} doesn't have traffic_split.")
    assert endpoints.delete(name=name).execute()["done"]
    assert refused(endpoints.get(name=name))[0] == 404
    assert refused(endpoints.create(parent=PARENT, body=body, endpointId="01"))[0] == 400
    # The gcp provider documents, and makes, ids of 10 digits
    ten = endpoints.create(parent=PARENT, body=body, endpointId="1234567890").execute()
    endpoints.delete(name=ten["response"]["name"]).execute()
    assert refused(endpoints.create(parent=PARENT, body={}))[0] == 400


def test_endpoints_that_cannot_be_made(stable: Any) -> None:
    """Traffic to nothing, two networks at once, a location that is none; a dedicated one has a name in the DNS."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"trafficSplit": {"5": 100}}, "not deployed on the endpoint"),
        ({"network": "projects/1/global/networks/n", "enablePrivateServiceConnect": True}, "Only one of network"),
    ]
    for fields, text in wrong:
        status, message = refused(stable.endpoints().create(parent=PARENT, body={"displayName": "e", **fields}))
        assert (status, text in message) == (400, True), message
    elsewhere = stable.endpoints().create(parent="projects/local-project/locations/mars", body={"displayName": "e"})
    assert "The provided location ID 'mars'" in refused(elsewhere)[1]
    dedicated = make_endpoint(stable, dedicatedEndpointEnabled=True)
    dns = stable.endpoints().get(name=dedicated).execute()["dedicatedEndpointDns"]
    assert dns == f"{dedicated.rpartition('/')[2]}.us-central1-123456789012.prediction.vertexai.goog"
    clear(stable, dedicated)


def test_deployed_model_predicts(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """A deployed model answers in the order of the instances, and says which model and version it was."""
    endpoint = make_endpoint(locations)
    endpoints = locations.endpoints()
    by_number = model.replace("local-project", "123456789012")
    done = deploy(locations, endpoint, by_number, id="4711", displayName="mine")
    assert done["response"]["@type"].endswith(".DeployModelResponse")
    assert done["response"]["deployedModel"]["id"] == "4711"
    [entry] = endpoints.get(name=endpoint).execute()["deployedModels"]
    assert (entry["model"], entry["modelVersionId"], entry["displayName"]) == (model, "1", "mine")
    assert entry["dedicatedResources"] == {**SERVED, "maxReplicaCount": 1}
    assert endpoints.get(name=endpoint).execute()["trafficSplit"] == {"4711": 100}
    assert endpoints.predict(endpoint=endpoint, body=ROWS).execute() == {
        "predictions": [{"prediction": [12.0], "key": 7}, {"prediction": [3.0], "key": 8}],
        "deployedModelId": "4711",
        "model": model,
        "modelDisplayName": "sum of three",
        "modelVersionId": "1",
    }
    assert endpoints.rawPredict(endpoint=endpoint, body=ROWS).execute()["predictions"][0]["key"] == 7
    address = f"{local_cloud.url}/aiplatform/v1/{endpoint}:rawPredict"
    headers = requests.post(address, data=json.dumps(ROWS), timeout=60).headers
    assert (headers["X-Vertex-AI-Model"], headers["X-Vertex-AI-Model-Version-Id"]) == (model, "1")
    status, message = refused(endpoints.predict(endpoint=endpoint, body={"instances": [{"features": [1.0], "key": 1}]}))
    assert (status, '{"error"' in message) == (400, True)
    assert refused(endpoints.predict(endpoint=endpoint, body={}))[0] == 400
    status, message = refused(endpoints.predict(endpoint=endpoint, body={"instances": ["x" * 1_600_000]}))
    assert (status, message) == (400, "Request payload size exceeds the limit: 1572864 bytes.")
    where = locations.models().get(name=model).execute()["deployedModels"]
    assert where == [{"endpoint": endpoint, "deployedModelId": "4711"}]
    clear(locations, endpoint)


def test_what_is_deployed_is_not_deleted(stable: Any, model: str) -> None:
    """Neither an endpoint with a deployed model nor that model goes away before it is undeployed."""
    endpoint = make_endpoint(stable)
    deploy(stable, endpoint, model, id="1")
    status, message = refused(stable.endpoints().delete(name=endpoint))
    assert (status, "deployed or being-deployed DeployedModel(s): 1" in message) == (400, True)
    status, message = refused(stable.models().delete(name=model))
    assert (status, endpoint in message) == (400, True)
    clear(stable, endpoint)


def test_traffic_is_split(stable: Any, model: str) -> None:
    """Requests go where the split says; a deployed model with traffic is not undeployed."""
    version = upload_model(stable, model_body(f"gs://{BUCKET}/sum"), parentModel=model)["modelVersionId"]
    endpoint = make_endpoint(stable)
    endpoints = stable.endpoints()
    deploy(stable, endpoint, f"{model}@1", id="1")
    body = {
        "deployedModel": {"model": f"{model}@{version}", "id": "2", "dedicatedResources": SERVED},
        "trafficSplit": {"0": 50, "1": 50},
    }
    wait_operation(stable, endpoints.deployModel(endpoint=endpoint, body=body).execute())
    assert endpoints.get(name=endpoint).execute()["trafficSplit"] == {"1": 50, "2": 50}
    seen = {endpoints.predict(endpoint=endpoint, body=ROWS).execute()["modelVersionId"] for _ in range(40)}
    assert seen == {"1", version}
    status, message = refused(endpoints.undeployModel(endpoint=endpoint, body={"deployedModelId": "1"}))
    assert (status, "50%" in message) == (400, True)
    assert refused(stable.models().deleteVersion(name=f"{model}@{version}"))[0] == 400
    endpoints.patch(name=endpoint, updateMask="trafficSplit", body={"trafficSplit": {"2": 100}}).execute()
    done = endpoints.undeployModel(endpoint=endpoint, body={"deployedModelId": "1"}).execute()
    assert done["response"]["@type"].endswith(".UndeployModelResponse")
    assert endpoints.predict(endpoint=endpoint, body=ROWS).execute()["deployedModelId"] == "2"
    changed = {"deployedModel": {"id": "2", "dedicatedResources": {"maxReplicaCount": 4}}}
    changed["updateMask"] = "dedicated_resources.max_replica_count"  # type: ignore[assignment]
    mutated = endpoints.mutateDeployedModel(endpoint=endpoint, body=changed).execute()["response"]["deployedModel"]
    assert mutated["dedicatedResources"] == {**SERVED, "maxReplicaCount": 4}
    for mask in ("dedicated_resources.min_replica_count", "dedicatedResources.machineSpec.machineType", "displayName"):
        fixed = {"deployedModel": {"id": "2"}, "updateMask": mask}
        assert refused(endpoints.mutateDeployedModel(endpoint=endpoint, body=fixed))[0] == 400, mask
    clear(stable, endpoint)
    stable.models().deleteVersion(name=f"{model}@{version}").execute()


def test_deploy_refusals(stable: Any, model: str) -> None:
    """What a deployment needs is asked for before a server is started."""
    endpoint = make_endpoint(stable)
    wrong: list[tuple[dict[str, Any], dict[str, int], int, str]] = [
        ({}, {"0": 100}, 400, "deployed_model.model"),
        ({"model": f"{PARENT}/models/none", "dedicatedResources": SERVED}, {"0": 100}, 404, "none"),
        ({"model": f"{model}@99", "dedicatedResources": SERVED}, {"0": 100}, 404, "@99"),
        ({"model": model, "automaticResources": {}}, {"0": 100}, 400, "'automatic_resources' is not supported"),
        ({"model": model, "dedicatedResources": MACHINE}, {"0": 100}, 400, "min_replica_count"),
        ({"model": model, "dedicatedResources": {**SERVED, "maxReplicaCount": 0}}, {"0": 100}, 400, "less than"),
        ({"model": model, "dedicatedResources": SERVED, "displayName": "x" * 129}, {"0": 100}, 400, "display_name"),
        ({"model": model, "dedicatedResources": SERVED}, {"0": 90}, 400, "add up to 100"),
        ({"model": model, "dedicatedResources": SERVED}, {"9": 100}, 400, "'9'"),
        ({"model": model, "dedicatedResources": SERVED, "id": "a"}, {"0": 100}, 400, "'a'"),
    ]
    for deployed, split, status, text in wrong:
        body = {"deployedModel": deployed, "trafficSplit": split}
        found = refused(stable.endpoints().deployModel(endpoint=endpoint, body=body))
        assert (found[0], text in found[1]) == (status, True), found
    assert refused(stable.endpoints().undeployModel(endpoint=endpoint, body={"deployedModelId": "1"}))[0] == 404
    clear(stable, endpoint)


def test_wrong_bodies_are_refused(local_cloud: LocalCloud) -> None:
    """A body that is no JSON object is refused before an endpoint is looked for."""
    address = f"{local_cloud.url}/aiplatform/v1/{PARENT}/endpoints/none:predict"
    assert requests.post(address, data=b"[1]", timeout=30).status_code == 400
    assert requests.post(address, json={"instances": []}, timeout=30).status_code == 404
