"""aiplatform endpoints' deployModel: a model version behind an endpoint, as a running server."""

import re
import threading
from concurrent.futures import Future

from infra.emulator import model_servers, operations
from infra.emulator.calls import Call, Cloud, handles, on_start
from infra.emulator.dedicated_resources import completed, resource_findings
from infra.emulator.deployed_servers import DEPLOY, leave, serve, server_key, server_of
from infra.emulator.endpoints import get_endpoint, put_endpoint, split_findings
from infra.emulator.errors import ApiError, already_exists, failed_precondition, invalid
from infra.emulator.model_versions import (
    DEPLOYMENTS,
    ENDPOINTS,
    SHARED,
    Version,
    find_version,
    get_model,
    resource_types,
)
from infra.emulator.projects import full_name
from infra.emulator.resource_pools import deployed_to, get_pool
from infra.emulator.resources import Json
from infra.emulator.vertex_places import check_model_place, location_of
from infra.emulator.vertex_rules import REQUIRED, Finding, display_name_findings, numeric_id, refuse

STARTING = {"deploymentStage": "STARTING_MODEL_SERVER"}
DEPLOYED_ID = re.compile(r"[0-9]{1,10}")
KINDS = ("dedicatedResources", "automaticResources", "sharedResources")


@handles(DEPLOY)
def deploy(call: Call) -> Json:
    """Deploy a model version: the operation is done when its server answers."""
    name = call.path["endpoint"]
    sent = dict(call.body.get("deployedModel") or {})
    sent |= {field: full_name(call.cloud, sent[field]) for field in ("model", "sharedResources") if field in sent}
    split = call.body.get("trafficSplit") or {}
    with call.resources.transaction():
        endpoint = get_endpoint(call.resources, name)
        refuse(_findings(sent))
        check_model_place(sent["model"], location_of(name))
        version = find_version(call.resources, sent["model"])
        _check_resources(sent, version)
        if "sharedResources" in sent:
            _check_pool(call, endpoint, sent["sharedResources"], version)
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


def _findings(sent: Json) -> list[Finding]:
    path = "deployed_model"
    findings = [] if sent.get("model") else [(f"{path}.model", REQUIRED)]
    if sent.get("id") and not DEPLOYED_ID.fullmatch(sent["id"]):
        findings.append((f"{path}.id", f"The deployed model id {sent['id']!r} is not 1 to 10 digits."))
    if sent.get("displayName"):
        findings += display_name_findings(sent, path)
    if sum(kind in sent for kind in KINDS) > 1:
        findings.append((path, "Only one of dedicated_resources, automatic_resources and shared_resources can be set."))
    return findings


def _check_resources(sent: Json, version: Version) -> None:
    if "automaticResources" in sent:
        raise invalid(f"'automatic_resources' is not supported for Model {version.model}. Use dedicated_resources.")
    if "sharedResources" in sent:
        if SHARED not in resource_types(version.body):
            what = f"'shared_resources' is not supported for Model {version.model}"
            raise invalid(f"{what}: only models with a prebuilt container share machines. Use dedicated_resources.")
    else:
        path = "deployed_model.dedicated_resources"
        refuse(resource_findings(sent.get("dedicatedResources") or {}, path))
    if not version.artifact:
        msg = (
            f"Model {version.name} has no artifactUri: the local cloud serves SavedModels, it runs no container images."
        )
        raise failed_precondition(msg)


def _check_pool(call: Call, endpoint: Json, name: str, version: Version) -> None:
    """Refuse a pool that is elsewhere, has another key than the endpoint, or runs another container."""
    pool = get_pool(call.resources, name)
    if name.partition("/deploymentResourcePools/")[0] != endpoint["name"].partition("/endpoints/")[0]:
        raise invalid(f"The DeploymentResourcePool and the Endpoint must be in one location: {name}")
    if pool.get("encryptionSpec") != endpoint.get("encryptionSpec"):
        raise failed_precondition("The Endpoint and the DeploymentResourcePool must have the same encryption_spec.")
    image = version.body["containerSpec"]["imageUri"]
    for _, entry in deployed_to(call.resources, name):
        other = find_version(call.resources, f"{entry['model']}@{entry['modelVersionId']}")
        if other.body["containerSpec"]["imageUri"] != image:
            running = other.body["containerSpec"]["imageUri"]
            raise failed_precondition(f"Models of one DeploymentResourcePool have one container image: {running}")


def _entry(call: Call, sent: Json, version: Version) -> Json:
    """Return the DeployedModel as clients see it later."""
    machines = {} if "sharedResources" in sent else {"dedicatedResources": completed(sent["dedicatedResources"])}
    return {
        **sent,
        **machines,
        "id": sent.get("id") or numeric_id(call),
        "model": version.model,
        "modelVersionId": version.id,
        "displayName": sent.get("displayName") or get_model(call.resources, version.model)["displayName"],
        "createTime": call.cloud.now(),
    }


def _check_free(call: Call, endpoint: Json, deployed_id: str) -> None:
    deployed = [entry["id"] for entry in endpoint.get("deployedModels", [])]
    under_way = call.resources.get(DEPLOYMENTS, server_key(endpoint["name"], deployed_id))
    if deployed_id in deployed or under_way:
        raise already_exists(f"A DeployedModel with id {deployed_id!r} already exists on {endpoint['name']}.")


def _begin(cloud: Cloud, record: Json) -> None:
    """Start the server; a thread of its own ends the operation when it answers, or does not."""
    future = serve(cloud, record["endpoint"], record["deployedModel"])
    threading.Thread(target=_finish, args=(cloud, record, future), daemon=True).start()


def _finish(cloud: Cloud, record: Json, future: Future[model_servers.Running]) -> None:
    """End a deployment's operation: with the deployed model on its endpoint, or with why there is none.

    One that was cancelled meanwhile leaves nothing behind.
    """
    key = server_key(record["endpoint"], record["deployedModel"]["id"])
    error = future.exception()
    if model_servers.stopping():  # the next start of the cloud goes on with it
        return
    with cloud.resources.transaction():
        cloud.resources.delete(DEPLOYMENTS, key)
        cancelled = bool((cloud.resources.get(operations.KIND, record["operation"]) or {}).get("done"))
        if cancelled:
            leave(cloud.resources, record["endpoint"], record["deployedModel"])
        elif error is None:
            _attach(cloud, record)
            response = {"@type": record["responseType"], "deployedModel": record["deployedModel"]}
            operations.complete(cloud, record["operation"], response)
        else:
            message = error.message if isinstance(error, ApiError) else str(error)
            operations.fail(cloud, record["operation"], failed_precondition(message))
    if error is not None:
        model_servers.remove(server_of(record["endpoint"], record["deployedModel"]), future)


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
            serve(cloud, name, entry)
    for _, record in cloud.resources.list(DEPLOYMENTS):
        _begin(cloud, record)
