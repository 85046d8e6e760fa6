"""aiplatform endpoints: create, get, list, patch, delete. What is deployed on them has files of its own."""

import re
from collections.abc import Iterable, Mapping

from infra.emulator import operations
from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.errors import already_exists, failed_precondition, not_found
from infra.emulator.kms_access import require_vertex_key
from infra.emulator.model_versions import DEPLOYMENTS, ENDPOINTS
from infra.emulator.policies import forget_policy
from infra.emulator.resources import Json, Resources
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_places import check_location, location_of
from infra.emulator.vertex_rules import (
    Finding,
    apply_mask,
    check_etag,
    display_name_findings,
    label_findings,
    new_etag,
    numeric_id,
    refuse,
    required_mask,
)

ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,9}")
SPLIT = "endpoint.traffic_split"
UPDATABLE = (
    "displayName",
    "description",
    "labels",
    "trafficSplit",
    "predictRequestResponseLoggingConfig",
    "clientConnectionConfig",
    "privateServiceConnectConfig",
)
LISTING = Listing(
    "endpoints",
    filters={
        "endpoint": lambda body: body["name"].rpartition("/")[2],
        "displayName": lambda body: body.get("displayName"),
        "baseModelName": lambda _: None,  # of deployed models none was tuned from a public one here
    },
    orders={"displayName": "displayName", "createTime": "createTime", "updateTime": "updateTime"},
)


def get_endpoint(resources: Resources, name: str) -> Json:
    """Return an endpoint. Raises 404."""
    body = resources.get(ENDPOINTS, name)
    if body is None:
        raise not_found(f"The Endpoint does not exist: {name}")
    return body


def put_endpoint(call_time: str, resources: Resources, body: Json) -> Json:
    """Store a changed endpoint with a new etag and update time; return it."""
    changed = {**body, "updateTime": call_time, "etag": new_etag()}
    resources.put(ENDPOINTS, body["name"], changed)
    return changed


def split_findings(split: Mapping[str, int], known: Iterable[str], path: str) -> list[Finding]:
    """Check a traffic split: percentages of deployed models that add up to 100, or nothing at all."""
    unknown = sorted(set(split) - set(known))
    if unknown:
        return [(path, f"Traffic is split to {unknown[0]!r}, which is not deployed on the endpoint.")]
    if split and (sum(split.values()) != 100 or min(split.values()) < 0):
        return [(path, f"Traffic percentage values must add up to 100, they add up to {sum(split.values())}.")]
    return []


@handles("aiplatform.projects.locations.endpoints.create")
def create(call: Call) -> Json:
    """Create an endpoint, with the id that the caller chose or a new one."""
    check_location(call)
    endpoint_id = call.parameter("endpointId")
    findings = display_name_findings(call.body, "endpoint") + label_findings(call.body, "endpoint")
    if endpoint_id and not ENDPOINT_ID.fullmatch(endpoint_id):
        rule = "up to 63 characters of [a-z0-9-] starting with a letter, or up to 10 digits without leading zeros"
        findings.append(("endpoint_id", f"The endpoint id {endpoint_id!r} is not valid: {rule}."))
    refuse(findings + _network_findings(call.body) + split_findings(call.body.get("trafficSplit", {}), (), SPLIT))
    require_vertex_key(call, call.body)
    name = f"{call.path['parent']}/endpoints/{endpoint_id or numeric_id(call)}"
    now = call.cloud.now()
    body = {**call.body, "name": name, "createTime": now, "updateTime": now, "etag": new_etag()}
    if body.get("dedicatedEndpointEnabled"):
        region = location_of(name)
        body["dedicatedEndpointDns"] = f"{name.rpartition('/')[2]}.{region}-{PROJECT_NUMBER}.prediction.vertexai.goog"
    if not call.resources.insert(ENDPOINTS, name, body):
        raise already_exists(f"The Endpoint already exists: {name}")
    return operations.finished(call, "CreateEndpointOperationMetadata", "Endpoint", body)


def _network_findings(body: Json) -> list[Finding]:
    ways = {
        "network": bool(body.get("network")),
        "enable_private_service_connect": bool(body.get("enablePrivateServiceConnect")),
        "private_service_connect_config": "privateServiceConnectConfig" in body,
    }
    if ways["network"] and sum(ways.values()) > 1:
        return [("endpoint.network", f"Only one of {', '.join(ways)} can be set.")]
    return []


@handles("aiplatform.projects.locations.endpoints.get")
def get(call: Call) -> Json:
    """Return an endpoint."""
    return get_endpoint(call.resources, call.path["name"])


@handles("aiplatform.projects.locations.endpoints.list")
def list_endpoints(call: Call) -> Json:
    """List the endpoints of a location."""
    bodies = [body for _, body in call.resources.list(ENDPOINTS, f"{call.path['parent']}/endpoints/")]
    return list_page(call, LISTING, bodies)


@handles("aiplatform.projects.locations.endpoints.patch")
def patch(call: Call) -> Json:
    """Change an endpoint's masked fields; answers the endpoint itself, not an operation."""
    return _updated(call, call.body, required_mask(call.parameter("updateMask"), UPDATABLE))


@handles("aiplatform.projects.locations.endpoints.update")
def update(call: Call) -> Json:
    """Change every field that is sent and can be changed, as an operation."""
    sent = call.body.get("endpoint") or {}
    body = _updated(call, sent, [field for field in UPDATABLE if field in sent])
    return operations.finished(call, "UpdateEndpointOperationMetadata", "Endpoint", body, parent=call.path["name"])


def _updated(call: Call, sent: Json, paths: list[str]) -> Json:
    with call.resources.transaction():
        body = get_endpoint(call.resources, call.path["name"])
        check_etag(sent, body)
        changed = apply_mask(body, sent, paths)
        findings = display_name_findings(changed, "endpoint") + label_findings(changed, "endpoint")
        if "trafficSplit" in {path.split(".")[0] for path in paths}:
            deployed = [entry["id"] for entry in changed.get("deployedModels", [])]
            findings += split_findings(changed.get("trafficSplit", {}), deployed, SPLIT)
        refuse(findings)
        return put_endpoint(call.cloud.now(), call.resources, changed)


@handles("aiplatform.projects.locations.endpoints.delete")
def delete(call: Call) -> Json:
    """Delete an endpoint; refused while models are deployed on it."""
    name = call.path["name"]
    with call.resources.transaction():
        body = get_endpoint(call.resources, name)
        under_way = [record["deployedModel"] for _, record in call.resources.list(DEPLOYMENTS, f"{name}/")]
        deployed = [entry["id"] for entry in [*body.get("deployedModels", []), *under_way]]
        if deployed:
            msg = (
                f"Endpoint has deployed or being-deployed DeployedModel(s): {', '.join(deployed)}. Undeploy them first."
            )
            raise failed_precondition(msg)
        call.resources.delete(ENDPOINTS, name)
        forget_policy(call, name)
    return operations.finished(call, "DeleteOperationMetadata")
