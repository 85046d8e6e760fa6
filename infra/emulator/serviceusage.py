"""serviceusage: which APIs a project has enabled."""

import hashlib
import re
from typing import Any

from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud, handles
from infra.emulator.discovery import VERSIONS
from infra.emulator.errors import ApiError, invalid
from infra.emulator.generic import page
from infra.emulator.kms_access import AGENTS, agent
from infra.emulator.operations import finished
from infra.emulator.projects import project_id

Json = dict[str, Any]

KIND = "serviceusage.services"
# A project that nobody has touched can store and predict; every other API has to be enabled.
ENABLED_AT_FIRST = ("aiplatform.googleapis.com", "storage.googleapis.com")
TITLES = {  # as Google's console shows them
    "aiplatform": "Vertex AI API",
    "artifactregistry": "Artifact Registry API",
    "cloudbuild": "Cloud Build API",
    "cloudkms": "Cloud Key Management Service (KMS) API",
    "compute": "Compute Engine API",
    "iam": "Identity and Access Management (IAM) API",
    "iamcredentials": "IAM Service Account Credentials API",
    "ml": "AI Platform Training & Prediction API",
    "notebooks": "Notebooks API",
    "storage": "Cloud Storage JSON API",
}
CATALOGUE = tuple(f"{api}.googleapis.com" for api in VERSIONS)
MOST_IN_BATCH, MOST_IN_BATCH_GET = 20, 30
METADATA = "google.api.serviceusage.v1.OperationMetadata"
IDENTITY = "google.api.serviceusage.v1beta1.ServiceIdentity"


def enabled_at_first(cloud: Cloud) -> tuple[str, ...]:
    """Return the services of a project that nobody has touched: in strict mode those that Google enables."""
    return ("storage.googleapis.com",) if cloud.strict else ENABLED_AT_FIRST


def _parts(name: str) -> tuple[str, str]:
    """Split `projects/P/services/S` into project and service; raises the 403 that Google answers for unknown ones."""
    match = re.fullmatch(r"projects/([^/]+)/services/([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*\.googleapis\.com)", name)
    if not match:
        service = name.rpartition("/")[2]
        raise ApiError(403, f"Not found or permission denied for service(s): {service}.")
    return match[1], match[2]


def _key(project: str, service: str) -> str:
    return f"projects/{project}/services/{service}"


def _service(call: Call, project: str, service: str) -> Json:
    stored = call.resources.get(KIND, _key(project, service)) or {}
    state = stored.get("state") or ("ENABLED" if service in enabled_at_first(call.cloud) else "DISABLED")
    return {
        "name": f"projects/{PROJECT_NUMBER}/services/{service}",
        "parent": f"projects/{PROJECT_NUMBER}",
        "state": state,
        "config": {"name": service, "title": service},
    }


def _set_state(call: Call, name: str, state: str) -> Json:
    project, service = _parts(name)
    call.resources.put(KIND, _key(project, service), {"state": state})
    return _service(call, project, service)


def _project(call: Call) -> str:
    parent = call.path["parent"]
    if not re.fullmatch(r"projects/[^/]+", parent):
        raise invalid(f"Invalid parent {parent!r}: only projects have services here.", field_path="parent")
    return project_id(call.cloud, parent)


def _all(call: Call, project: str) -> list[Json]:
    touched = (name.rpartition("/")[2] for name, _ in call.resources.list(KIND, _key(project, "")))
    return [_service(call, project, service) for service in sorted({*CATALOGUE, *touched})]


@handles("serviceusage.services.list")
def list_(call: Call) -> Json:
    """List the project's services; `filter` is `state:ENABLED` or `state:DISABLED`."""
    wanted = re.fullmatch(r"(?:state:(ENABLED|DISABLED))?", call.parameter("filter").replace(" ", ""))
    if not wanted:
        msg = f"Invalid filter {call.parameter('filter')!r}: 'state:ENABLED' or 'state:DISABLED' is wanted."
        raise invalid(msg, field_path="filter")
    services = _all(call, _project(call))
    return page(call, [one for one in services if wanted[1] in (None, one["state"])], "services", default=50)


@handles("serviceusage.services.get")
def get(call: Call) -> Json:
    """Return one service."""
    return _service(call, *_parts(call.path["name"]))


@handles("serviceusage.services.batchGet")
def batch_get(call: Call) -> Json:
    """Return up to 30 services of a project."""
    names = list(call.query.get("names", []))
    if len(names) > MOST_IN_BATCH_GET:
        raise invalid(f"At most {MOST_IN_BATCH_GET} services in one request, not {len(names)}.", field_path="names")
    return {"services": [_service(call, *_parts(name)) for name in names]}


@handles("serviceusage.services.enable")
def enable(call: Call) -> Json:
    """Enable one service."""
    service = _set_state(call, call.path["name"], "ENABLED")
    fields = {"resourceNames": [service["name"]]}
    return _finished(call, "EnableServiceResponse", {"service": service}, fields)


@handles("serviceusage.services.generateServiceIdentity")
def generate_identity(call: Call) -> Json:
    """Make the account that a service acts as in the project, or return it; storage's has a method of its own too."""
    project, service = _parts(call.path["parent"])
    api = service.removesuffix(".googleapis.com")
    if api not in AGENTS:
        raise ApiError(403, f"Not found or permission denied for service(s): {service}.")
    if _service(call, project, service)["state"] == "DISABLED":
        raise ApiError(400, f"The service {service} is not enabled.", status="FAILED_PRECONDITION")
    email = agent(api)
    number = int(hashlib.sha256(email.encode()).hexdigest(), 16) % 10**20 + 10**20
    body = {"email": email, "uniqueId": str(number)}
    return finished(call, METADATA, IDENTITY, body, fields={"resourceNames": [call.path["parent"]]})


@handles("serviceusage.services.disable")
def disable(call: Call) -> Json:
    """Disable one service; no service here depends on another."""
    project, service = _parts(call.path["name"])
    if _service(call, project, service)["state"] == "DISABLED":
        raise ApiError(400, f"The service {service} is not enabled.", status="FAILED_PRECONDITION")
    disabled = _set_state(call, call.path["name"], "DISABLED")
    return _finished(call, "DisableServiceResponse", {"service": disabled}, {"resourceNames": [disabled["name"]]})


@handles("serviceusage.services.batchEnable")
def batch_enable(call: Call) -> Json:
    """Enable up to 20 services, all or none."""
    parent, identifiers = f"projects/{_project(call)}", call.body.get("serviceIds", [])
    if not 0 < len(identifiers) <= MOST_IN_BATCH:
        msg = f"Between 1 and {MOST_IN_BATCH} services in one request, not {len(identifiers)}."
        raise invalid(msg, field_path="service_ids")
    with call.resources.transaction():
        services = [_set_state(call, f"{parent}/services/{service}", "ENABLED") for service in identifiers]
    names = [service["name"] for service in services]
    return _finished(call, "BatchEnableServicesResponse", {"services": services}, {"resourceNames": names})


def _finished(call: Call, response: str, body: Json, fields: Json) -> Json:
    # Both versions of the API answer with the messages of v1.
    return finished(call, METADATA, f"google.api.serviceusage.v1.{response}", body, fields=fields)
