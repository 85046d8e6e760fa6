"""gcp.projects.Service: an API that is enabled in a project."""

from infra.engine.gcp import settling
from infra.engine.gcp.rest import ApiError, Cloud, finished
from infra.engine.gcp.schema import DELETION, LOCAL, NEW, PROJECT, REQUIRED, Json, ResourceType, boolean, string
from infra.engine.providers import Properties, ProviderError


def _services(cloud: Cloud, project: str) -> str:
    return f"{cloud.library('serviceUsage', 'v1')}projects/{project}/services"


def enabled(cloud: Cloud, project: str) -> set[str]:
    """Return the names of all services that a project has."""
    names: set[str] = set()
    token = ""
    while True:
        page = {"pageToken": token} if token else {}
        query = {"filter": "state:ENABLED", "pageSize": "200", **page}
        answer = cloud.call("GET", _services(cloud, project), query=query)
        names |= {service["name"].rsplit("/", 1)[1] for service in answer.get("services", [])}
        token = answer.get("nextPageToken", "")
        if not token:
            return names


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Enable the service, unless it is."""
    project, service = _project(wanted), wanted["service"]
    if service not in enabled(cloud, project):
        operation = cloud.call("POST", f"{_services(cloud, project)}/{service}:enable", {})
        finished(cloud, cloud.base("serviceUsage"), operation)
    return f"{project}/{service}", {}


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Tell whether the service is enabled, in a project that is not on its way out."""
    del known
    project, _, service = identity.partition("/")
    try:
        found = cloud.call("GET", f"{cloud.library('resourceManager', 'v1')}projects/{project}")
    except ApiError as refused:
        if refused.code in (403, 404):
            return None
        raise
    standing = found.get("lifecycleState") != "DELETE_REQUESTED" and service in enabled(cloud, project)
    return {} if standing else None


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Change nothing in the cloud: what can change says only what happens on delete."""
    del cloud, identity, prior, wanted, changed
    return {}


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Disable the service where the program asked for that."""
    project, _, service = identity.partition("/")
    if not state.get("disableOnDestroy") or service not in enabled(cloud, project):
        return
    request: Json = {"checkIfServiceHasUsage": "CHECK" if state.get("checkIfServiceHasUsageOnDestroy") else "SKIP"}
    if state.get("disableDependentServices"):
        request["disableDependentServices"] = True
    finished(
        cloud, cloud.base("serviceUsage"), cloud.call("POST", f"{_services(cloud, project)}/{service}:disable", request)
    )


def identify(identity: str, project: str) -> Properties:
    """Read `PROJECT/SERVICE`."""
    del project
    owner, _, service = identity.partition("/")
    if not service or "/" in service:
        raise ProviderError(f"No service id: {identity!r}. Write it as PROJECT/SERVICE.googleapis.com")
    return {"project": owner, "service": service}


def _project(state: Properties) -> str:
    return str(state["project"]).rsplit("/", 1)[-1]


SERVICE = ResourceType(
    title="Service",
    properties={
        "service": string(REQUIRED, NEW, LOCAL),
        "project": string(*PROJECT.traits, settle=settling.last_segment),
        "checkIfServiceHasUsageOnDestroy": boolean(LOCAL),
        "disableDependentServices": boolean(LOCAL),
        "disableOnDestroy": boolean(LOCAL),
        "deletionPolicy": DELETION,
    },
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: str(state.get("service")),
    minutes={"create": 20, "read": 10, "update": 20, "delete": 20},
)
