"""gcp.projects.ServiceIdentity: the account that a service acts as in a project, made before it is granted anything."""

from infra.engine.gcp.rest import Cloud, finished
from infra.engine.gcp.schema import LOCAL, NEW, OUTPUT, PROJECT, REQUIRED, Json, ResourceType, string
from infra.engine.providers import Properties, ProviderError


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Ask for the account; one that is there already is the same."""
    identity = f"projects/{wanted['project']}/services/{wanted['service']}"
    base = cloud.base("serviceUsage")
    answer = finished(cloud, base, cloud.call("POST", f"{base}{identity}:generateServiceIdentity", {}))
    email = answer.get("email", "")
    return identity, {"email": email, "member": f"serviceAccount:{email}" if email else ""}


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Leave the state as it is: the service has no call that reads."""
    del cloud, identity
    return {key: known.get(key) for key in ("email", "member")}


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Never called: every property replaces it."""
    del cloud, identity, wanted, changed
    return prior


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Leave the account where it is: it goes with its project."""
    del cloud, identity, state


def identify(identity: str, project: str) -> Properties:
    """Refuse: the provider imports none, for it costs nothing to declare."""
    del project
    msg = f"A service identity cannot be imported ({identity!r}). Declare it: it is created where it is not there yet"
    raise ProviderError(msg)


SERVICE_IDENTITY = ResourceType(
    title="Service identity",
    properties={
        "service": string(REQUIRED, NEW, LOCAL),
        "project": PROJECT,
        "email": string(OUTPUT),
        "member": string(OUTPUT),
    },
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: str(state.get("service")),
    minutes={"create": 20, "read": 10, "delete": 20},
)
