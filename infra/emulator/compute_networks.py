"""compute: what a network and its subnetworks must be, and what the service adds to them."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from infra.emulator.calls import Call, handles
from infra.emulator.compute_operations import base, place
from infra.emulator.compute_resources import Kind, change, found, serve, uses
from infra.emulator.errors import invalid
from infra.emulator.projects import project_id

Json = dict[str, Any]

SUBNETWORKS = "compute.subnetworks"
INSTANCES = "notebooks.instances"
REFERENCE = re.compile(r"(?:projects/([^/]+)/)?((?:global|regions/[^/]+)/\w+/([^/]+))$")
WIDEST, NARROWEST = 8, 29  # prefix lengths that a subnetwork's range may have
RESERVED = 2  # addresses before the first host: the network's own and the gateway


def network_link(call: Call, sent: Any) -> str:
    """Return the full link of a network that exists; what was sent may be a link or a path; raises 400."""
    project = project_id(call.cloud, call.path["project"])
    text = str(sent or "global/networks/default")
    match = re.search(r"(?:projects/([^/]+)/)?global/networks/([^/]+)$", text)
    if not match:
        raise invalid(f"Invalid value for field 'resource.network': '{text}'. The URL is malformed.", reason="invalid")
    path = f"projects/{match[1] or project}/global/networks/{match[2]}"
    if match[2] != "default":  # every project has that one
        found(call, NETWORK, path)
    return f"{base(call)}/{path}"


def fill_network(call: Call, body: Json) -> Json:
    """Add the defaults of a network."""
    routing = {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY", **(body.get("routingConfig") or {})}
    order = body.get("networkFirewallPolicyEnforcementOrder") or "AFTER_CLASSIC_FIREWALL"
    if not 1300 <= int(body.get("mtu") or 1460) <= 8896:
        raise invalid(f"Invalid value for field 'resource.mtu': '{body['mtu']}'.", reason="invalid")
    return {
        **body,
        "autoCreateSubnetworks": body.get("autoCreateSubnetworks", True),
        "routingConfig": routing,
        "networkFirewallPolicyEnforcementOrder": order,
        "selfLinkWithId": f"{base(call)}/{place(call)}/networks/{body['id']}",
    }


def fill_subnetwork(call: Call, body: Json) -> Json:
    """Check a subnetwork's range against its network's others, and add its defaults."""
    link = network_link(call, body.get("network"))
    block = _block(str(body.get("ipCidrRange", "")))
    for _, other in call.resources.list(SUBNETWORKS, f"projects/{project_id(call.cloud, call.path['project'])}/"):
        if other["network"] == link and other["id"] != body["id"] and block.overlaps(_block(other["ipCidrRange"])):
            region = other["region"].rpartition("/")[2]
            what = f"conflicts with existing subnetwork '{other['name']}' in region '{region}'."
            raise invalid(f"Invalid IPCidrRange: {block} {what}", reason="invalid")
    log = body.get("logConfig") or {}
    return {
        **body,
        "network": link,
        "ipCidrRange": str(block),
        "gatewayAddress": str(next(block.hosts())),
        "purpose": body.get("purpose", "PRIVATE"),
        "stackType": body.get("stackType", "IPV4_ONLY"),
        "privateIpGoogleAccess": bool(body.get("privateIpGoogleAccess")),
        "privateIpv6GoogleAccess": body.get("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS"),
        "allowSubnetCidrRoutesOverlap": bool(body.get("allowSubnetCidrRoutesOverlap")),
        "enableFlowLogs": bool(log.get("enable")),
        "logConfig": {**_log_defaults(log), **log, "enable": bool(log.get("enable"))},
    }


def _log_defaults(log: Json) -> Json:
    if not log.get("enable"):
        return {}
    kept = {"aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 0.5, "metadata": "INCLUDE_ALL_METADATA"}
    return {**kept, "filterExpr": "true"}


def _block(text: str) -> ipaddress.IPv4Network:
    try:
        block = ipaddress.IPv4Network(text)
    except ValueError as error:
        what = f"Invalid value for field 'resource.ipCidrRange': '{text}'. {error}"
        raise invalid(what, reason="invalid") from None
    if not WIDEST <= block.prefixlen <= NARROWEST:
        what = f"Invalid IPCidrRange: {text}. A prefix length from {WIDEST} to {NARROWEST} is wanted."
        raise invalid(what, reason="invalid")
    return block


@handles("compute.subnetworks.expandIpCidrRange")
def expand(call: Call) -> Json:
    """Widen a subnetwork's range."""
    wanted = _block(str(call.body.get("ipCidrRange", "")))
    name = f"{place(call)}/subnetworks/{call.path['subnetwork']}"
    present = _block(found(call, SUBNETWORK, name)["ipCidrRange"])
    if not present.subnet_of(wanted) or present == wanted:
        raise invalid(f"Invalid IPCidrRange: {wanted} does not widen {present}.", reason="invalid")
    return change(call, SUBNETWORK, "expandIpCidrRange", {"ipCidrRange": str(wanted)})


@handles("compute.subnetworks.setPrivateIpGoogleAccess")
def set_private_access(call: Call) -> Json:
    """Let machines without a public address reach Google's APIs, or not."""
    wanted = {"privateIpGoogleAccess": bool(call.body.get("privateIpGoogleAccess"))}
    return change(call, SUBNETWORK, "setPrivateIpGoogleAccess", wanted)


def check_interfaces(call: Call, project: str, interfaces: Sequence[Json]) -> None:
    """Refuse a machine's interfaces in networks or subnetworks that are not there; each project has a default one."""
    for interface in interfaces:
        for field, kind in (("network", NETWORK), ("subnet", SUBNETWORK)):
            named = REFERENCE.search(interface.get(field, ""))
            if named and named[3] != "default":
                found(call, kind, f"projects/{named[1] or project}/{named[2]}")


@uses("network")
def users_of_network(call: Call, path: str) -> str:
    """Return a subnetwork, router, rule or notebook in the network."""
    project = "/".join(path.split("/")[:2])
    for kind in (SUBNETWORKS, "compute.routers", "compute.firewalls"):
        for name, body in call.resources.list(kind, f"{project}/"):
            if str(body.get("network", "")).endswith(f"/{path}"):
                return name
    return _notebook(call, project, "network", path)


@uses("subnetwork")
def users_of_subnetwork(call: Call, path: str) -> str:
    """Return a notebook in the subnetwork."""
    return _notebook(call, "/".join(path.split("/")[:2]), "subnet", path)


def _notebook(call: Call, project: str, field: str, path: str) -> str:
    for name, body in call.resources.list(INSTANCES, f"{project}/"):
        for interface in body["gceSetup"].get("networkInterfaces", ()):
            if str(interface.get(field, "")).rpartition("projects/")[2] == path.removeprefix("projects/"):
                return name
    return ""


NETWORK = Kind("network", "networks", fill_network, frozenset({"autoCreateSubnetworks", "description"}))
SUBNETWORK = Kind(
    "subnetwork", "subnetworks", fill_subnetwork, frozenset({"network", "description", "purpose"}), fingerprint=True
)
serve(NETWORK)
serve(SUBNETWORK)
