"""A deployed model's server: its name and its environment. In a pool, those of one version share one server."""

import hashlib
from concurrent.futures import Future

from infra.emulator import model_servers
from infra.emulator.calls import PROJECT_NUMBER, Cloud
from infra.emulator.model_artifacts import artifacts_folder
from infra.emulator.model_versions import DEPLOYMENTS, ENDPOINTS, Version, find_version
from infra.emulator.resources import Json, Resources

DEPLOY = "aiplatform.projects.locations.endpoints.deployModel"


def server_key(endpoint: str, deployed_id: str) -> str:
    """Return the name of a deployed model among all."""
    return f"{endpoint}/deployedModels/{deployed_id}"


def server_of(endpoint: str, entry: Json) -> str:
    """Return the name by which a deployed model's server is known: its own, or its version's in its pool."""
    pool = entry.get("sharedResources")
    return f"{pool}/{entry['model']}@{entry['modelVersionId']}" if pool else server_key(endpoint, entry["id"])


def gradients_key(endpoint: str, deployed_id: str) -> str:
    """Return the name of the process that takes a deployed model's gradients, where one was asked for."""
    return f"{server_key(endpoint, deployed_id)}/gradients"


def every(resources: Resources, *, pending: bool = True) -> list[tuple[str, Json]]:
    """Return (endpoint, deployed model) of all that is deployed, with `pending` also of what is being deployed."""
    found = [(name, entry) for name, body in resources.list(ENDPOINTS) for entry in body.get("deployedModels", [])]
    records = [record for _, record in resources.list(DEPLOYMENTS)] if pending else []
    return found + [(record["endpoint"], record["deployedModel"]) for record in records]


def serve(cloud: Cloud, endpoint: str, entry: Json) -> Future[model_servers.Running]:
    """Start a deployed model's server, or join the one that its pool has for its version."""
    version = find_version(cloud.resources, f"{entry['model']}@{entry['modelVersionId']}")
    launch = _launch(cloud, endpoint, entry, version)
    return model_servers.start(server_of(endpoint, entry), launch, shared="sharedResources" in entry)


def leave(resources: Resources, endpoint: str, entry: Json) -> None:
    """Stop the server of a deployed model that is no more, unless others of its pool use it.

    In the transaction that removes it: who deploys to the pool at the same time then finds the server, or starts one.
    """
    key = server_of(endpoint, entry)
    model_servers.remove(gradients_key(endpoint, entry["id"]))
    if not any(server_of(*other) == key for other in every(resources)):
        model_servers.remove(key)


def version_environment(cloud: Cloud, version: Version) -> dict[str, str]:
    """Return what every process of a version is told: its container's variables, and where its artifact's copy is."""
    variables = (version.body.get("containerSpec") or {}).get("env", [])
    told = {entry["name"]: entry.get("value", "") for entry in variables}
    return {**told, "AIP_STORAGE_URI": str(artifacts_folder(cloud) / version.artifact)}


def _launch(cloud: Cloud, endpoint: str, entry: Json, version: Version) -> model_servers.Launch:
    container, folder = version.body.get("containerSpec") or {}, cloud.state / "servers"
    endpoint_id, deployed_id = endpoint.rpartition("/")[2], entry["id"]
    default_route = f"/v1/endpoints/{endpoint_id}/deployedModels/{deployed_id}"
    own = {"AIP_ENDPOINT_ID": endpoint_id, "AIP_DEPLOYED_MODEL_ID": deployed_id}
    if "sharedResources" in entry:  # whichever of them is deployed first, its server is not its own
        default_route, own = f"/v1/models/{version.model.rpartition('/')[2]}", {}
        folder /= f"pool-{hashlib.sha256(server_of(endpoint, entry).encode()).hexdigest()[:24]}"
    else:
        folder /= f"{endpoint_id}-{deployed_id}"
    health = container.get("healthRoute") or default_route
    predict = container.get("predictRoute") or f"{default_route}:predict"
    environment = {
        **version_environment(cloud, version),
        **own,
        "AIP_MODE": "PREDICTION",
        "AIP_PROJECT_NUMBER": PROJECT_NUMBER,
    }
    return model_servers.Launch(folder, environment, health, predict, model_servers.slow_start(cloud, DEPLOY))
