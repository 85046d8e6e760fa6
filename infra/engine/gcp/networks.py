"""gcp.compute.Network and Subnetwork."""

import ipaddress
from typing import Any

from infra.engine.gcp import settling, validation
from infra.engine.gcp.compute import ComputeCollection, wait
from infra.engine.gcp.rest import Cloud
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    UNREAD,
    AutoName,
    Fields,
    Json,
    ResourceType,
    block,
    blocks,
    boolean,
    integer,
    mapping,
    real,
    string,
    string_set,
)
from infra.engine.providers import Properties

TAGS: Fields = {"resourceManagerTags": mapping(NEW)}
NAME = string(NEW, wrong=validation.compute_name)
MINUTES = {"create": 20, "delete": 20, "update": 20}

NETWORK_FIELDS: Fields = {
    "name": NAME,
    "project": PROJECT,
    "autoCreateSubnetworks": boolean(NEW, default=True),
    "bgpAlwaysCompareMed": boolean(COMPUTED),
    "bgpBestPathSelectionMode": string(COMPUTED, choices=("LEGACY", "STANDARD")),
    "bgpInterRegionCost": string(COMPUTED, choices=("DEFAULT", "ADD_COST_TO_MED")),
    "deleteBgpAlwaysCompareMed": boolean(LOCAL, default=False),
    "deleteDefaultRoutesOnCreate": boolean(LOCAL, default=False),
    "deletionPolicy": DELETION,
    "description": string(NEW),
    "enableUlaInternalIpv6": boolean(),
    "internalIpv6Range": string(COMPUTED, NEW),
    "mtu": integer(COMPUTED),
    "networkFirewallPolicyEnforcementOrder": string(
        default="AFTER_CLASSIC_FIREWALL", choices=("BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL")
    ),
    "networkProfile": string(NEW, settle=settling.relative_path),
    "params": block(TAGS, NEW, UNREAD),
    "routingMode": string(COMPUTED, choices=("REGIONAL", "GLOBAL")),
    "gatewayIpv4": string(OUTPUT, tf="gateway_ipv4", api="gatewayIPv4"),
    "networkId": string(OUTPUT, api="id"),
    "numericId": string(OUTPUT, api="id"),
    "selfLink": string(OUTPUT),
}
# How the API's one object for routing is called property by property.
ROUTING = {
    "routingMode": "routingMode",
    "bgpBestPathSelectionMode": "bgpBestPathSelectionMode",
    "bgpAlwaysCompareMed": "bgpAlwaysCompareMed",
    "bgpInterRegionCost": "bgpInterRegionCost",
}

LOGS: Fields = {
    "aggregationInterval": string(default="INTERVAL_5_SEC"),
    "filterExpr": string(default="true"),
    "flowSampling": real(default=0.5),
    "metadata": string(
        default="INCLUDE_ALL_METADATA", choices=("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", "CUSTOM_METADATA")
    ),
    "metadataFields": string_set(),
}

SECONDARY: Fields = {
    "rangeName": string(REQUIRED),
    "ipCidrRange": string(COMPUTED),
    "ipCollection": string(),
    "ipVersion": string(COMPUTED),
    "reservedInternalRange": string(),
}


def shrinks(prior: Any, planned: Any) -> bool:
    """Tell whether a range does not hold the one before: it cannot become that in place."""
    try:
        return not ipaddress.ip_network(prior).subnet_of(ipaddress.ip_network(planned))  # type: ignore[arg-type]  # one kind
    except (TypeError, ValueError):
        return False


SUBNETWORK_FIELDS: Fields = {
    "name": NAME,
    "network": string(REQUIRED, NEW, settle=settling.last_segment),
    "region": string(COMPUTED, NEW, settle=settling.last_segment),
    "project": PROJECT,
    "allowSubnetCidrRoutesOverlap": boolean(COMPUTED),
    "deletionPolicy": DELETION,
    "description": string(NEW),
    "externalIpv6Prefix": string(COMPUTED, NEW),
    "internalIpv6Prefix": string(COMPUTED, NEW),
    "ipCidrRange": string(COMPUTED, forces=shrinks, wrong=validation.address_range),
    "ipCollection": string(settle=settling.last_segment),
    "ipv6AccessType": string(choices=("EXTERNAL", "INTERNAL")),
    "logConfig": block(LOGS),
    "params": block(TAGS, NEW, UNREAD),
    "privateIpGoogleAccess": boolean(COMPUTED),
    "privateIpv6GoogleAccess": string(COMPUTED),
    "purpose": string(COMPUTED),
    "reservedInternalRange": string(NEW),
    "resolveSubnetMask": string(NEW),
    "role": string(choices=("ACTIVE", "BACKUP")),
    "secondaryIpRanges": blocks(SECONDARY, COMPUTED, tf="secondary_ip_range", api="secondaryIpRanges"),
    "sendSecondaryIpRangeIfEmpty": boolean(LOCAL),
    "stackType": string(COMPUTED, choices=("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")),
    "creationTimestamp": string(OUTPUT),
    "fingerprint": string(OUTPUT, LOCAL),
    "gatewayAddress": string(OUTPUT),
    "ipv6CidrRange": string(OUTPUT),
    "ipv6GceEndpoint": string(OUTPUT),
    "selfLink": string(OUTPUT),
    "state": string(OUTPUT),
    "subnetworkId": integer(OUTPUT, api="id"),
}


def encode_network(body: Json) -> Json:
    """Write the routing as one object."""
    routing = {field: body[name] for name, field in ROUTING.items() if body.get(name) not in (None, "", False)}
    rest = {key: value for key, value in body.items() if key not in ROUTING}
    return rest | ({"routingConfig": routing} if routing else {})


def decode_network(body: Json) -> Json:
    """Read the routing property by property."""
    routing = body.get("routingConfig") or {}
    return body | {name: routing.get(field) for name, field in ROUTING.items()}


def encode_subnetwork(body: Json) -> Json:
    """Say whether flows are logged: they are where there is a configuration."""
    return body | {"logConfig": {"enable": True, **body["logConfig"]} if body.get("logConfig") else {"enable": False}}


def decode_subnetwork(body: Json) -> Json:
    """Leave out a configuration of logs that are off."""
    log = body.get("logConfig") or {}
    rest = {key: value for key, value in body.items() if key not in ("logConfig", "fingerprint")}
    return rest | ({"logConfig": log} if log.get("enable") else {})


NETWORKS = ComputeCollection("networks", NETWORK_FIELDS, encode=encode_network, decode=decode_network)
SUBNETWORKS = ComputeCollection("subnetworks", SUBNETWORK_FIELDS, True, encode_subnetwork, decode_subnetwork)
CALLS = {"ipCidrRange": "expandIpCidrRange", "privateIpGoogleAccess": "setPrivateIpGoogleAccess"}


def update_network(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Patch what changed: the rest of a network is for ever."""
    body = NETWORKS.body(wanted)
    names = {"routingConfig" if name in ROUTING else name for name in changed}
    sent = {key: value for key, value in body.items() if key in names}
    if sent:
        wait(cloud, cloud.call("PATCH", NETWORKS.url(cloud, identity), sent))
    return NETWORKS.read(cloud, identity, prior) or {}


def update_subnetwork(
    cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]
) -> Json:
    """Widen the range and switch private access by calls of their own, and patch the rest by its fingerprint."""
    url, body = SUBNETWORKS.url(cloud, identity), SUBNETWORKS.body(wanted)
    for name, verb in CALLS.items():
        if name in changed:
            wait(cloud, cloud.call("POST", f"{url}/{verb}", {name: wanted.get(name)}))
    sent = {key: value for key, value in body.items() if key in changed and key not in CALLS}
    if "logConfig" in changed:
        sent["logConfig"] = body["logConfig"]
    if sent:
        sent["fingerprint"] = cloud.call("GET", url).get("fingerprint", "")
        wait(cloud, cloud.call("PATCH", url, sent))
    return SUBNETWORKS.read(cloud, identity, prior) or {}


NETWORK = ResourceType(
    title="Network",
    properties=NETWORK_FIELDS,
    create=NETWORKS.create,
    read=NETWORKS.read,
    update=update_network,
    delete=NETWORKS.delete,
    identify=NETWORKS.identify,
    name=lambda state: str(state.get("name")),
    minutes=MINUTES,
    autoname=AutoName("name"),
    standing=NETWORKS.identity,
)

SUBNETWORK = ResourceType(
    title="Subnetwork",
    properties=SUBNETWORK_FIELDS,
    create=SUBNETWORKS.create,
    read=SUBNETWORKS.read,
    update=update_subnetwork,
    delete=SUBNETWORKS.delete,
    identify=SUBNETWORKS.identify,
    name=lambda state: str(state.get("name")),
    minutes=MINUTES,
    autoname=AutoName("name"),
    standing=SUBNETWORKS.identity,
)
