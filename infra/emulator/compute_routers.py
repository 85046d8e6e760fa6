"""compute: what a router, its address translations and a firewall rule must be, and what the service adds."""

import ipaddress
from typing import Any

from infra.emulator.calls import Call
from infra.emulator.compute_networks import network_link
from infra.emulator.compute_resources import Kind, serve
from infra.emulator.errors import invalid

Json = dict[str, Any]

EVERYWHERE = "0.0.0.0/0"
ALL = ("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES")
NAT: Json = {
    "type": "PUBLIC",
    "natIpAllocateOption": "AUTO_ONLY",
    "autoNetworkTier": "PREMIUM",
    "endpointTypes": ["ENDPOINT_TYPE_VM"],
    "enableDynamicPortAllocation": False,
    "enableEndpointIndependentMapping": False,
    "icmpIdleTimeoutSec": 30,
    "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTimeWaitTimeoutSec": 120,
    "tcpTransitoryIdleTimeoutSec": 30,
    "udpIdleTimeoutSec": 30,
}
SOURCES = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
OF_ACCOUNTS, OF_TAGS = ("sourceServiceAccounts", "targetServiceAccounts"), ("sourceTags", "targetTags")


def fill_router(call: Call, body: Json) -> Json:
    """Check a router's translations, and add their defaults."""
    nats = [_nat(nat) for nat in body.get("nats") or []]
    names = [nat["name"] for nat in nats]
    if len(set(names)) != len(names):
        raise invalid(f"Invalid value for field 'resource.nats': duplicate name among {names}.", reason="invalid")
    if len([nat for nat in nats if nat["sourceSubnetworkIpRangesToNat"] in ALL]) > 1:
        raise invalid("Only one NAT of a router can take all subnetworks.", reason="invalid")
    shown = {"nats": nats} if nats else {}
    rest = {key: value for key, value in body.items() if key not in ("nats", "bgp") or (key == "bgp" and value)}
    return {**rest, **shown, "network": network_link(call, body.get("network"))}


def _nat(sent: Json) -> Json:
    if not sent.get("name") or not sent.get("sourceSubnetworkIpRangesToNat"):
        what = "Invalid value for field 'resource.nats': name and sourceSubnetworkIpRangesToNat are wanted."
        raise invalid(what, reason="required")
    given = {key: value for key, value in sent.items() if value not in (None, [], "")}
    manual = given.get("natIpAllocateOption") == "MANUAL_ONLY"
    if manual != bool(given.get("natIps")):
        raise invalid("Invalid value for field 'resource.nats': natIps go with MANUAL_ONLY.", reason="invalid")
    return {**{key: value for key, value in NAT.items() if key != "autoNetworkTier" or not manual}, **given}


def fill_firewall(call: Call, body: Json) -> Json:
    """Check a rule, and add its defaults."""
    if bool(body.get("allowed")) == bool(body.get("denied")):
        raise invalid("Exactly one of 'resource.allowed' and 'resource.denied' is wanted.", reason="invalid")
    direction = body.get("direction", "INGRESS")
    if any(body.get(key) for key in OF_ACCOUNTS) and any(body.get(key) for key in OF_TAGS):
        raise invalid("Tags and service accounts cannot be used in one rule.", reason="invalid")
    for text in [*(body.get("sourceRanges") or []), *(body.get("destinationRanges") or [])]:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise invalid(
                f"Invalid value for field 'resource.sourceRanges': '{text}'. {error}", reason="invalid"
            ) from None
    given = {key: value for key, value in body.items() if value not in ([], None)}
    side = "sourceRanges" if direction == "INGRESS" else "destinationRanges"
    anybody = not any(given.get(key) for key in (SOURCES if direction == "INGRESS" else (side,)))
    return {
        **given,
        **({side: [EVERYWHERE]} if anybody else {}),
        "network": network_link(call, body.get("network")),
        "direction": direction,
        "priority": body.get("priority", 1000),
        "disabled": bool(body.get("disabled")),
        "logConfig": body.get("logConfig") or {"enable": False},
    }


ROUTER = Kind("router", "routers", fill_router, frozenset({"network"}))
FIREWALL = Kind("firewall", "firewalls", fill_firewall, frozenset({"direction", "network"}))
serve(ROUTER)
serve(FIREWALL)
