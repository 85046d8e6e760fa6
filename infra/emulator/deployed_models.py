"""aiplatform endpoints' undeployModel and mutateDeployedModel: what happens to a deployed model afterwards."""

from collections.abc import Mapping

from infra.emulator import operations
from infra.emulator.calls import Call, handles
from infra.emulator.dedicated_resources import FIELD, changed
from infra.emulator.deployed_servers import leave
from infra.emulator.endpoints import get_endpoint, put_endpoint, split_findings
from infra.emulator.errors import failed_precondition, not_found
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import found_errors, refuse

LOGGING = {"v1": "disableContainerLogging", "v1beta1": "enableContainerLogging"}


@handles("aiplatform.projects.locations.endpoints.undeployModel")
def undeploy(call: Call) -> Json:
    """Remove a deployed model that gets no traffic (or is the last one) and stop its server."""
    name, deployed_id = call.path["endpoint"], call.body.get("deployedModelId", "")
    with call.resources.transaction():
        endpoint = get_endpoint(call.resources, name)
        entry = _deployed(endpoint, deployed_id)
        rest = [entry for entry in endpoint["deployedModels"] if entry["id"] != deployed_id]
        split = call.body.get("trafficSplit") or endpoint.get("trafficSplit", {})
        _check_no_traffic(split, deployed_id, rest)
        split = {entry: share for entry, share in split.items() if entry != deployed_id} if rest else {}
        refuse(split_findings(split, [entry["id"] for entry in rest], "traffic_split"))
        put_endpoint(call.cloud.now(), call.resources, _with(endpoint, rest, split))
        leave(call.resources, name, entry)
    return operations.finished(call, "UndeployModelOperationMetadata", "UndeployModelResponse", parent=name)


def _deployed(endpoint: Json, deployed_id: str) -> Json:
    for entry in endpoint.get("deployedModels", []):
        if entry["id"] == deployed_id:
            return dict(entry)
    raise not_found(f"The DeployedModel {deployed_id!r} does not exist on {endpoint['name']}.")


def _check_no_traffic(split: Mapping[str, int], deployed_id: str, rest: list[Json]) -> None:
    if rest and split.get(deployed_id):
        msg = (
            f"DeployedModel {deployed_id!r} gets {split[deployed_id]}% of the traffic. Give a traffic_split without it."
        )
        raise failed_precondition(msg)


def _with(endpoint: Json, deployed: list[Json], split: Mapping[str, int]) -> Json:
    """Return the endpoint with these deployed models and this split; what is empty is left out."""
    bare = {name: value for name, value in endpoint.items() if name not in {"deployedModels", "trafficSplit"}}
    return bare | ({"deployedModels": deployed} if deployed else {}) | ({"trafficSplit": dict(split)} if split else {})


@handles("aiplatform.projects.locations.endpoints.mutateDeployedModel")
def mutate(call: Call) -> Json:
    """Change the scaling and the logging of a deployed model; its server stays as it is."""
    sent, mask = call.body.get("deployedModel") or {}, call.body.get("updateMask", "")
    with call.resources.transaction():
        endpoint = get_endpoint(call.resources, call.path["endpoint"])
        stored = _deployed(endpoint, sent.get("id", ""))
        entry = changed(stored, sent, mask, call.version, (LOGGING[call.version],), "deployed_model")
        if FIELD in entry and FIELD not in stored:
            text = "The machines are those of its DeploymentResourcePool: change them there."
            raise found_errors([("deployed_model.dedicated_resources", text)])
        deployed = [entry if other["id"] == entry["id"] else other for other in endpoint["deployedModels"]]
        put_endpoint(call.cloud.now(), call.resources, {**endpoint, "deployedModels": deployed})
    metadata, response = "MutateDeployedModelOperationMetadata", "MutateDeployedModelResponse"
    return operations.finished(call, metadata, response, {"deployedModel": entry}, parent=endpoint["name"])
