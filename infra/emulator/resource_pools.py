"""aiplatform deploymentResourcePools: machines that deployed models share, and which of them do."""

import re

from infra.emulator import operations
from infra.emulator.calls import Call, handles
from infra.emulator.dedicated_resources import changed, completed, resource_findings
from infra.emulator.deployed_servers import every
from infra.emulator.errors import already_exists, failed_precondition, not_found
from infra.emulator.generic import page
from infra.emulator.kms_access import require_vertex_key
from infra.emulator.model_versions import POOLS
from infra.emulator.resources import Json, Resources
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_places import check_location
from infra.emulator.vertex_rules import REQUIRED, Finding, refuse

METHODS = "aiplatform.projects.locations.deploymentResourcePools"
PATH = "deployment_resource_pool"
POOL_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
FIELDS = ("dedicatedResources", "encryptionSpec", "serviceAccount", "disableContainerLogging")


@handles(f"{METHODS}.create")
def create(call: Call) -> Json:
    """Make a pool; it has no machine before a model is deployed to it."""
    sent, pool_id = call.body.get("deploymentResourcePool") or {}, call.body.get("deploymentResourcePoolId", "")
    check_location(call)
    refuse(_findings(sent, pool_id))
    require_vertex_key(call, sent)
    name = f"{call.path['parent']}/deploymentResourcePools/{pool_id}"
    body = {"name": name, **{field: sent[field] for field in FIELDS if field in sent}}
    body |= {"dedicatedResources": completed(sent["dedicatedResources"]), "createTime": call.cloud.now()}
    if not call.resources.insert(POOLS, name, body):
        raise already_exists(f"The DeploymentResourcePool already exists: {name}")
    metadata = "CreateDeploymentResourcePoolOperationMetadata"
    return operations.finished(call, metadata, "DeploymentResourcePool", body, parent=name)


def _findings(sent: Json, pool_id: str) -> list[Finding]:
    findings: list[Finding] = []
    if not POOL_ID.fullmatch(pool_id):
        rule = "up to 63 characters of [a-z0-9-], the first a letter, the last no hyphen"
        findings.append((f"{PATH}_id", f"The pool id {pool_id!r} is not valid: {rule}."))
    if not sent.get("dedicatedResources"):
        return [*findings, (f"{PATH}.dedicated_resources", REQUIRED)]
    return findings + resource_findings(sent["dedicatedResources"], f"{PATH}.dedicated_resources")


def get_pool(resources: Resources, name: str) -> Json:
    """Return a pool. Raises 404."""
    body = resources.get(POOLS, name)
    if body is None:
        raise not_found(f"The DeploymentResourcePool does not exist: {name}")
    return body


def deployed_to(resources: Resources, pool: str, *, pending: bool = True) -> list[tuple[str, Json]]:
    """Return (endpoint, deployed model) of those that share a pool."""
    return [pair for pair in every(resources, pending=pending) if pair[1].get("sharedResources") == pool]


@handles(f"{METHODS}.get")
def get(call: Call) -> Json:
    """Return a pool."""
    return get_pool(call.resources, call.path["name"])


@handles(f"{METHODS}.list")
def list_pools(call: Call) -> Json:
    """List the pools of a location."""
    bodies = [body for _, body in call.resources.list(POOLS, f"{call.path['parent']}/deploymentResourcePools/")]
    return list_page(call, Listing("deploymentResourcePools"), bodies)


@handles(f"{METHODS}.patch")
def patch(call: Call) -> Json:
    """Change a pool's scaling and logging, as an operation."""
    name, mask = call.path["name"], call.parameter("updateMask")
    with call.resources.transaction():
        stored = get_pool(call.resources, name)
        body = changed(stored, call.body, mask, call.version, ("disableContainerLogging",), PATH)
        call.resources.put(POOLS, name, body)
    metadata = "UpdateDeploymentResourcePoolOperationMetadata"
    return operations.finished(call, metadata, "DeploymentResourcePool", body, parent=name)


@handles(f"{METHODS}.delete")
def delete(call: Call) -> Json:
    """Delete a pool; refused while models are deployed to it."""
    name = call.path["name"]
    with call.resources.transaction():
        get_pool(call.resources, name)
        used = deployed_to(call.resources, name)
        if used:
            ids = ", ".join(entry["id"] for _, entry in used)
            what = f"DeploymentResourcePool has deployed or being-deployed DeployedModel(s): {ids}"
            raise failed_precondition(f"{what}. Undeploy them first.")
        call.resources.delete(POOLS, name)
    return operations.finished(call, "DeleteOperationMetadata")


@handles(f"{METHODS}.queryDeployedModels")
def query(call: Call) -> Json:
    """List the deployed models that share a pool, and count them and their endpoints."""
    name = call.path["deploymentResourcePool"]
    get_pool(call.resources, name)
    found = deployed_to(call.resources, name, pending=False)
    listed = page(call, [{"endpoint": endpoint, "entry": entry} for endpoint, entry in found], "found")
    shown = listed.pop("found", [])
    refs = [{"endpoint": one["endpoint"], "deployedModelId": one["entry"]["id"]} for one in shown]
    counts = {"totalDeployedModelCount": len(found), "totalEndpointCount": len({endpoint for endpoint, _ in found})}
    models = {"deployedModels": [one["entry"] for one in shown], "deployedModelRefs": refs}
    return {name: value for name, value in {**models, **counts}.items() if value} | listed
