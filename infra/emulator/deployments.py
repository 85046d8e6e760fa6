"""aiplatform endpoints' deployModel: a model version behind an endpoint, as a running server."""

import re
import threading
from concurrent.futures import Future

from infra.emulator import model_servers, operations
from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud, handles, on_start
from infra.emulator.endpoints import get_endpoint, put_endpoint, split_findings
from infra.emulator.errors import ApiError, already_exists, failed_precondition, invalid
from infra.emulator.model_artifacts import artifacts_folder
from infra.emulator.model_versions import DEPLOYMENTS, ENDPOINTS, Version, find_version, get_model
from infra.emulator.resources import Json
from infra.emulator.vertex_places import check_model_place, location_of
from infra.emulator.vertex_rules import REQUIRED, Finding, numeric_id, refuse

STARTING = {"deploymentStage": "STARTING_MODEL_SERVER"}
DEPLOY = "aiplatform.projects.locations.endpoints.deployModel"
DEPLOYED_ID = re.compile(r"[0-9]{1,10}")
OTHER_RESOURCES = {"automaticResources": "automatic_resources", "sharedResources": "shared_resources"}


@handles(DEPLOY)
def deploy(call: Call) -> Json:
    """Deploy a model version: the operation is done when its server answers."""
    name = call.path["endpoint"]
    sent = call.body.get("deployedModel") or {}
    split = call.body.get("trafficSplit") or {}
    with call.resources.transaction():
        endpoint = get_endpoint(call.resources, name)
        refuse(_findings(sent))
        check_model_place(sent["model"], location_of(name))
        version = find_version(call.resources, sent["model"])
        _check_resources(sent, version)
        entry = _entry(call, sent, version)
        _check_free(call, endpoint, entry["id"])
        known = ["0", *(other["id"] for other in endpoint.get("deployedModels", []))]
        refuse(split_findings(split, known, "traffic_split"))
        operation = operations.pending(call, "DeployModelOperationMetadata", parent=name, fields=STARTING)
        record = {
            "endpoint": name,
            "deployedModel": entry,
            "trafficSplit": split,
            "operation": operation["name"],
            "responseType": operations.type_url(call, "DeployModelResponse"),
        }
        call.resources.put(DEPLOYMENTS, server_key(name, entry["id"]), record)
    _begin(call.cloud, record)
    return operation


def server_key(endpoint: str, deployed_id: str) -> str:
    """Return the name by which a deployed model's server is known."""
    return f"{endpoint}/deployedModels/{deployed_id}"


def _findings(sent: Json) -> list[Finding]:
    path = "deployed_model"
    findings = [] if sent.get("model") else [(f"{path}.model", REQUIRED)]
    if sent.get("id") and not DEPLOYED_ID.fullmatch(sent["id"]):
        findings.append((f"{path}.id", f"The deployed model id {sent['id']!r} is not 1 to 10 digits."))
    return findings


def _check_resources(sent: Json, version: Version) -> None:
    for field, name in OTHER_RESOURCES.items():
        if field in sent:
            raise invalid(f"'{name}' is not supported for Model {version.model}. Use dedicated_resources.")
    resources = sent.get("dedicatedResources") or {}
    path = "deployed_model.dedicated_resources"
    findings = []
    if not (resources.get("machineSpec") or {}).get("machineType"):
        findings.append((f"{path}.machine_spec.machine_type", REQUIRED))
    if resources.get("minReplicaCount", 0) < 1:
        findings.append((f"{path}.min_replica_count", "It must be at least 1."))
    refuse(findings)
    if not version.artifact:
        msg = (
            f"Model {version.name} has no artifactUri: the local cloud serves SavedModels, it runs no container images."
        )
        raise failed_precondition(msg)


def _entry(call: Call, sent: Json, version: Version) -> Json:
    """Return the DeployedModel as clients see it later."""
    resources = dict(sent["dedicatedResources"])
    resources.setdefault("maxReplicaCount", resources["minReplicaCount"])
    return {
        **sent,
        "id": sent.get("id") or numeric_id(call)[-10:],
        "model": version.model,
        "modelVersionId": version.id,
        "displayName": sent.get("displayName") or get_model(call.resources, version.model)["displayName"],
        "createTime": call.cloud.now(),
        "dedicatedResources": resources,
    }


def _check_free(call: Call, endpoint: Json, deployed_id: str) -> None:
    deployed = [entry["id"] for entry in endpoint.get("deployedModels", [])]
    under_way = call.resources.get(DEPLOYMENTS, server_key(endpoint["name"], deployed_id))
    if deployed_id in deployed or under_way:
        raise already_exists(f"A DeployedModel with id {deployed_id!r} already exists on {endpoint['name']}.")


def _begin(cloud: Cloud, record: Json) -> None:
    """Start the server; a thread of its own ends the operation when it answers, or does not."""
    future = _serve(cloud, record["endpoint"], record["deployedModel"])
    threading.Thread(target=_finish, args=(cloud, record, future), daemon=True).start()


def _serve(cloud: Cloud, endpoint: str, entry: Json) -> Future[model_servers.Running]:
    key = server_key(endpoint, entry["id"])
    version = find_version(cloud.resources, f"{entry['model']}@{entry['modelVersionId']}")
    return model_servers.start(key, _launch(cloud, endpoint, entry["id"], version))


def _launch(cloud: Cloud, endpoint: str, deployed_id: str, version: Version) -> model_servers.Launch:
    container = version.body.get("containerSpec") or {}
    endpoint_id = endpoint.rpartition("/")[2]
    default_route = f"/v1/endpoints/{endpoint_id}/deployedModels/{deployed_id}"
    health = container.get("healthRoute") or default_route
    predict = container.get("predictRoute") or f"{default_route}:predict"
    environment = {
        **{entry["name"]: entry.get("value", "") for entry in container.get("env", [])},
        "AIP_MODE": "PREDICTION",
        "AIP_PROJECT_NUMBER": PROJECT_NUMBER,
        "AIP_ENDPOINT_ID": endpoint_id,
        "AIP_DEPLOYED_MODEL_ID": deployed_id,
        "AIP_STORAGE_URI": str(artifacts_folder(cloud) / version.artifact),
        "AIP_HTTP_HOST": "127.0.0.1",
        "AIP_HTTP_PORT": "0",
        "AIP_HEALTH_ROUTE": health,
        "AIP_PREDICT_ROUTE": predict,
    }
    folder = cloud.state / "servers" / f"{endpoint_id}-{deployed_id}"
    return model_servers.Launch(folder, environment, health, predict, model_servers.slow_start(cloud, DEPLOY))


def _finish(cloud: Cloud, record: Json, future: Future[model_servers.Running]) -> None:
    """End a deployment's operation: with the deployed model on its endpoint, or with why there is none."""
    key = server_key(record["endpoint"], record["deployedModel"]["id"])
    error = future.exception()
    if model_servers.stopping():  # the next start of the cloud goes on with it
        return
    with cloud.resources.transaction():
        cloud.resources.delete(DEPLOYMENTS, key)
        if error is None:
            _attach(cloud, record)
            response = {"@type": record["responseType"], "deployedModel": record["deployedModel"]}
            operations.complete(cloud, record["operation"], response)
        else:
            message = error.message if isinstance(error, ApiError) else str(error)
            operations.fail(cloud, record["operation"], failed_precondition(message))
    if error is not None:
        model_servers.remove(key)


def _attach(cloud: Cloud, record: Json) -> None:
    """Put a deployed model on its endpoint; traffic goes to those of the wanted split that are still there."""
    endpoint = get_endpoint(cloud.resources, record["endpoint"])
    entry = record["deployedModel"]
    deployed = [*endpoint.get("deployedModels", []), entry]
    split = {entry["id"] if name == "0" else name: share for name, share in record["trafficSplit"].items()}
    if split and set(split) <= {other["id"] for other in deployed}:
        endpoint["trafficSplit"] = split
    put_endpoint(cloud.now(), cloud.resources, {**endpoint, "deployedModels": deployed})


@on_start
def resume(cloud: Cloud) -> None:
    """Serve again what was deployed, and go on with deployments that were under way."""
    for name, endpoint in cloud.resources.list(ENDPOINTS):
        for entry in endpoint.get("deployedModels", []):
            _serve(cloud, name, entry)
    for _, record in cloud.resources.list(DEPLOYMENTS):
        _begin(cloud, record)
