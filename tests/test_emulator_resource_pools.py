"""Deployment resource pools of the local Vertex AI: deployed models that share machines share one model server."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import aiplatform

from tests.cloud import LocalCloud
from tests.vertex import (
    MACHINE,
    PARENT,
    ROWS,
    SERVED,
    begin_sdk,
    clear,
    client,
    make_bucket,
    make_endpoint,
    model_body,
    put_model,
    refused,
    until,
    upload_model,
    wait_operation,
)

BUCKET = "pools-of-tests"
CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"

# The SDK warns of what its next versions drop, and of the Python that runs it
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module", params=["v1", "v1beta1"])
def either(request: pytest.FixtureRequest, local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of both versions of the API."""
    with client(local_cloud, request.param) as methods:
        yield methods


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud, locations: Any) -> str:
    """A model on a prebuilt container: it can share machines."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    return str(upload_model(locations, model_body(uri), modelId="pooled")["model"])


def make_pool(locations: Any, pool_id: str, **fields: Any) -> str:
    """Make a pool; return its name."""
    pool = {"dedicatedResources": {"minReplicaCount": 1}, **fields}
    body = {"deploymentResourcePool": pool, "deploymentResourcePoolId": pool_id}
    operation = locations.deploymentResourcePools().create(parent=PARENT, body=body).execute()
    kind = operation["metadata"]["@type"].rpartition(".")[2]
    assert (operation["done"], kind) == (True, "CreateDeploymentResourcePoolOperationMetadata")
    return str(operation["response"]["name"])


def deploy_to(locations: Any, endpoint: str, model: str, pool: str, **fields: Any) -> Any:
    """Ask for a deployment to a pool."""
    body = {"deployedModel": {"model": model, "sharedResources": pool, **fields}, "trafficSplit": {"0": 100}}
    return locations.endpoints().deployModel(endpoint=endpoint, body=body)


def servers(cloud: LocalCloud) -> list[str]:
    """Return the folders of the servers that pools have."""
    return [path.name for path in (cloud.state / "servers").glob("pool-*")]


def test_life_of_a_pool(either: Any) -> None:
    """A pool is made with defaults, listed, changed by mask in its scaling alone, and deleted."""
    pools = either.deploymentResourcePools()
    name = make_pool(either, "a-pool", disableContainerLogging=True)
    pool = pools.get(name=name).execute()
    machines = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 1}
    assert (pool["name"], pool["dedicatedResources"]) == (f"{PARENT}/deploymentResourcePools/a-pool", machines)
    assert pool["disableContainerLogging"]
    assert pools.list(parent=PARENT).execute() == {"deploymentResourcePools": [pool]}
    specs = [{"metricName": CPU, "target": 80}]
    body = {"dedicatedResources": {"maxReplicaCount": 3, "autoscalingMetricSpecs": specs}}
    mask = "dedicated_resources.max_replica_count,dedicatedResources.autoscalingMetricSpecs"
    done = pools.patch(name=name, updateMask=mask, body=body).execute()
    assert done["metadata"]["@type"].endswith(".UpdateDeploymentResourcePoolOperationMetadata")
    assert pools.operations().get(name=done["name"]).execute() == done
    assert done["response"]["dedicatedResources"] == {**machines, **body["dedicatedResources"]}
    for wrong in ("", "name", "dedicatedResources.machineSpec", "serviceAccount"):
        assert refused(pools.patch(name=name, updateMask=wrong, body={}))[0] == 400, wrong
    assert pools.queryDeployedModels(deploymentResourcePool=name).execute() == {}
    assert refused(either.deploymentResourcePools().create(parent=PARENT, body=_body("a-pool")))[0] == 409
    assert pools.delete(name=name).execute()["done"]
    assert refused(pools.get(name=name))[0] == 404
    assert refused(pools.queryDeployedModels(deploymentResourcePool=name))[0] == 404


def _body(pool_id: str, **resources: Any) -> dict[str, Any]:
    machines = {"minReplicaCount": 1, **resources}
    return {"deploymentResourcePool": {"dedicatedResources": machines}, "deploymentResourcePoolId": pool_id}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (_body("Pool"), "deployment_resource_pool_id"),
        (_body("a" * 64), "deployment_resource_pool_id"),
        ({"deploymentResourcePoolId": "p"}, "dedicated_resources; Message: Required"),
        (_body("p", minReplicaCount=0), "min_replica_count"),
        (_body("p", maxReplicaCount=-1), "less than min_replica_count"),
        (_body("p", autoscalingMetricSpecs=[{"metricName": "x"}]), "'x' is none of"),
        (_body("p", autoscalingMetricSpecs=[{"metricName": CPU, "target": 101}]), "from 1 to 100"),
        (_body("p", autoscalingMetricSpecs=[{"metricName": CPU}, {"metricName": CPU}]), "At most one entry"),
    ],
)
def test_pools_that_cannot_be_made(locations: Any, body: dict[str, Any], text: str) -> None:
    """Ids, numbers of replicas and metrics are held against the rules."""
    status, message = refused(locations.deploymentResourcePools().create(parent=PARENT, body=body))
    assert (status, text in message) == (400, True), message


def test_deployed_models_share_a_server(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """Two endpoints are answered by one process; it ends with the last of them; the pool goes after it."""
    until(lambda: not servers(local_cloud))
    pools, pool = locations.deploymentResourcePools(), make_pool(locations, "shared")
    endpoints = [make_endpoint(locations) for _ in range(2)]
    started = [deploy_to(locations, name, model, pool).execute() for name in endpoints]
    for operation in started:
        entry = wait_operation(locations, operation)["response"]["deployedModel"]
        assert (entry["sharedResources"], "dedicatedResources" in entry) == (pool, False)
    assert len(servers(local_cloud)) == 1
    for name in endpoints:
        assert len(locations.endpoints().predict(endpoint=name, body=ROWS).execute()["predictions"]) == 2
    found = pools.queryDeployedModels(deploymentResourcePool=pool, pageSize=1).execute()
    assert (found["totalDeployedModelCount"], found["totalEndpointCount"]) == (2, 2)
    assert found["deployedModels"][0]["id"] == found["deployedModelRefs"][0]["deployedModelId"]
    rest = pools.queryDeployedModels(deploymentResourcePool=pool, pageToken=found["nextPageToken"]).execute()
    assert {found["deployedModelRefs"][0]["endpoint"], rest["deployedModelRefs"][0]["endpoint"]} == set(endpoints)
    status, message = refused(pools.delete(name=pool))
    assert (status, "Undeploy them first" in message) == (400, True)
    assert refused(locations.endpoints().explain(endpoint=endpoints[0], body=ROWS))[0] == 400
    clear(locations, endpoints[0])
    assert locations.endpoints().predict(endpoint=endpoints[1], body=ROWS).execute()["modelVersionId"] == "1"
    clear(locations, endpoints[1])
    until(lambda: not servers(local_cloud))
    assert pools.delete(name=pool).execute()["done"]


def test_what_cannot_share(locations: Any, model: str) -> None:
    """Neither a container of one's own, nor another image than the pool runs, nor a pool that is not there."""
    pool, endpoint = make_pool(locations, "choosy"), make_endpoint(locations)
    uri = f"gs://{BUCKET}/sum"
    own = {"imageUri": "us-central1-docker.pkg.dev/local-project/serving/mine:latest"}
    custom = upload_model(locations, model_body(uri, containerSpec=own))["model"]
    supported = [
        locations.models().get(name=name).execute()["supportedDeploymentResourcesTypes"] for name in (custom, model)
    ]
    assert supported == [["DEDICATED_RESOURCES"], ["DEDICATED_RESOURCES", "SHARED_RESOURCES"]]
    other = {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-14:latest"}
    older = upload_model(locations, model_body(uri, containerSpec=other))["model"]
    assert "'shared_resources' is not supported" in refused(deploy_to(locations, endpoint, custom, pool))[1]
    assert refused(deploy_to(locations, endpoint, model, f"{pool}-not"))[0] == 404
    both = deploy_to(locations, endpoint, model, pool, dedicatedResources={**MACHINE, **SERVED})
    assert "Only one of" in refused(both)[1]
    wait_operation(locations, deploy_to(locations, endpoint, model, pool, id="1").execute())
    assert "one container image" in refused(deploy_to(locations, endpoint, older, pool))[1]
    change = {
        "deployedModel": {"id": "1", "dedicatedResources": {"minReplicaCount": 2}},
        "updateMask": "dedicatedResources",
    }
    assert "change them there" in refused(locations.endpoints().mutateDeployedModel(endpoint=endpoint, body=change))[1]
    clear(locations, endpoint)
    locations.deploymentResourcePools().delete(name=pool).execute()


def test_the_sdk_deploys_to_a_pool(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """`DeploymentResourcePool.create`, `Model.deploy(deployment_resource_pool=…)` and `query_deployed_models`."""
    begin_sdk(local_cloud)
    pool = aiplatform.DeploymentResourcePool.create("of-the-sdk", min_replica_count=1, max_replica_count=2)
    endpoint = aiplatform.Endpoint.create(display_name="of the sdk")
    aiplatform.Model(model).deploy(endpoint=endpoint, deployment_resource_pool=pool)
    assert endpoint.predict(instances=ROWS["instances"]).predictions[0]["prediction"] == [12.0]
    assert [entry.endpoint for page in pool.query_deployed_models() for entry in page] == [endpoint.resource_name]
    endpoint.undeploy_all()
    endpoint.delete()
    pool.delete()
    assert locations.deploymentResourcePools().list(parent=PARENT).execute() == {}
    assert locations.models().get(name=model).execute()["supportedDeploymentResourcesTypes"] == ["DEDICATED_RESOURCES"]
