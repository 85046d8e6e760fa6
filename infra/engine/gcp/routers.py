"""gcp.compute.Router and RouterNat: a NAT is an entry of its router, not a resource of the API's own."""

from infra.engine.gcp import states
from infra.engine.gcp.compute import ComputeCollection, tail, wait
from infra.engine.gcp.rest import ApiError, Cloud
from infra.engine.gcp.router_table import NAT_FIELDS, ROUTER_FIELDS
from infra.engine.gcp.schema import AutoName, Json, ResourceType
from infra.engine.providers import UNKNOWN, Properties, ProviderError

MINUTES = {"create": 20, "delete": 20, "update": 20}

ROUTERS = ComputeCollection("routers", ROUTER_FIELDS, True)


def identity(state: Properties) -> str:
    """Return the NAT's id, which is the provider's own."""
    return f"{state['project']}/{tail(state['region'])}/{tail(state['router'])}/{state['name']}"


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Add the NAT to its router's; it is in the provider's region where it names none."""
    if wanted.get("region") in (None, UNKNOWN):
        wanted["region"] = cloud.settings.get("region")
    made = {key: value for key, value in _body(wanted).items() if value not in ("", [], None)}
    with cloud.policy_lock(_router(wanted)):
        others = _nats(cloud, wanted)
        if any(nat["name"] == wanted["name"] for nat in others):
            raise ApiError(409, f"The router has a NAT {wanted['name']!r} already")
        _put(cloud, wanted, [*others, made])
    return identity(wanted), read(cloud, identity(wanted), wanted) or {}


def read(cloud: Cloud, id_: str, known: Properties) -> Json | None:
    """Find the NAT among its router's; None where it, or the router, is gone."""
    del id_
    try:
        found = [nat for nat in _nats(cloud, known) if nat["name"] == known["name"]]
    except ApiError as refused:
        if refused.code == 404:
            return None
        raise
    return found[0] if found else None


def update(cloud: Cloud, id_: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Change the NAT among its router's."""
    del prior, changed
    body = {key: value for key, value in _body(wanted).items() if value not in ("", None)}
    with cloud.policy_lock(_router(wanted)):
        _put(cloud, wanted, [nat | body if nat["name"] == wanted["name"] else nat for nat in _nats(cloud, wanted)])
    return read(cloud, id_, wanted) or {}


def delete(cloud: Cloud, id_: str, state: Properties) -> None:
    """Take the NAT out of its router's."""
    del id_
    with cloud.policy_lock(_router(state)):
        _put(cloud, state, [nat for nat in _nats(cloud, state) if nat["name"] != state["name"]])


def identify(id_: str, project: str) -> Properties:
    """Read `PROJECT/REGION/ROUTER/NAME`."""
    del project
    parts = id_.split("/")
    if len(parts) != 4:
        raise ProviderError(f"No id of a NAT: {id_!r}. Write it as PROJECT/REGION/ROUTER/NAME")
    return dict(zip(("project", "region", "router", "name"), parts, strict=True))


def _body(wanted: Properties) -> Json:
    body = states.to_api(NAT_FIELDS, wanted)
    return body | {"name": wanted["name"]}


def _router(state: Properties) -> str:
    return f"projects/{state['project']}/regions/{tail(state['region'])}/routers/{tail(state['router'])}"


def _nats(cloud: Cloud, state: Properties) -> list[Json]:
    return list(cloud.call("GET", ROUTERS.url(cloud, _router(state))).get("nats") or [])


def _put(cloud: Cloud, state: Properties, nats: list[Json]) -> None:
    wait(cloud, cloud.call("PATCH", ROUTERS.url(cloud, _router(state)), {"nats": nats}))


ROUTER = ResourceType(
    title="Router",
    properties=ROUTER_FIELDS,
    create=ROUTERS.create,
    read=ROUTERS.read,
    update=ROUTERS.update,
    delete=ROUTERS.delete,
    identify=ROUTERS.identify,
    name=lambda state: str(state.get("name")),
    minutes=MINUTES,
    autoname=AutoName("name"),
    apart=(("nccGateway", "network"),),
    standing=ROUTERS.identity,
)

ROUTER_NAT = ResourceType(
    title="NAT",
    properties=NAT_FIELDS,
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: str(state.get("name")),
    minutes=MINUTES,
    autoname=AutoName("name"),
    apart=(("initialNatIps", "drainNatIps"), ("initialNatIps", "natIps")),
    standing=identity,
)
