"""gcp.compute.Firewall: a rule of which packets a network lets through."""

from typing import Any

from infra.engine.gcp import settling, validation
from infra.engine.gcp.compute import ComputeCollection
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
    string,
    string_set,
    strings,
)

RULE: Fields = {"protocol": string(REQUIRED, api="IPProtocol", settle=settling.any_case), "ports": strings()}
METADATA = ("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA")


def everywhere(prior: Any, planned: Any) -> Any:
    """No range and every address are the same."""
    return prior if prior == ["0.0.0.0/0"] and not planned else planned


def priority(value: Any) -> str:
    """A number of 16 bits."""
    return "" if 0 <= int(value) <= 65535 else f"expected priority to be in the range (0 - 65535), got {value}"


FIREWALL_FIELDS: Fields = {
    "name": string(NEW, wrong=validation.compute_name),
    "network": string(REQUIRED, settle=settling.last_segment),
    "project": PROJECT,
    "allows": blocks(RULE, tf="allow", api="allowed", settle=settling.any_order),
    "denies": blocks(RULE, tf="deny", api="denied", settle=settling.any_order),
    "deletionPolicy": DELETION,
    "description": string(),
    "destinationRanges": string_set(COMPUTED),
    "direction": string(COMPUTED, NEW, choices=("INGRESS", "EGRESS")),
    "disabled": boolean(),
    "enableLogging": boolean(COMPUTED, LOCAL),
    "logConfig": block({"metadata": string(REQUIRED, choices=METADATA)}),
    "params": block({"resourceManagerTags": mapping()}, NEW, UNREAD),
    "priority": integer(default=1000, wrong=priority),
    "sourceRanges": string_set(settle=everywhere),
    "sourceServiceAccounts": string_set(),
    "sourceTags": string_set(),
    "targetServiceAccounts": string_set(),
    "targetTags": string_set(),
    "creationTimestamp": string(OUTPUT),
    "selfLink": string(OUTPUT),
}


def encode(body: Json) -> Json:
    """Say whether the rule's hits are logged: they are where there is a configuration."""
    return body | {"logConfig": {"enable": True, **body["logConfig"]} if body.get("logConfig") else {"enable": False}}


def decode(body: Json) -> Json:
    """Leave out a configuration of logs that are off."""
    log = body.get("logConfig") or {}
    rest = {key: value for key, value in body.items() if key != "logConfig"}
    return rest | ({"logConfig": log} if log.get("enable") else {}) | {"enableLogging": bool(log.get("enable"))}


COLLECTION = ComputeCollection("firewalls", FIREWALL_FIELDS, encode=encode, decode=decode)

FIREWALL = ResourceType(
    title="Firewall rule",
    properties=FIREWALL_FIELDS,
    create=COLLECTION.create,
    read=COLLECTION.read,
    update=COLLECTION.update,
    delete=COLLECTION.delete,
    identify=COLLECTION.identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 20, "delete": 20, "update": 20},
    version="1",
    autoname=AutoName("name"),
    exactly_one=("allows", "denies"),
    apart=(
        ("sourceServiceAccounts", "sourceTags"),
        ("sourceServiceAccounts", "targetTags"),
        ("targetServiceAccounts", "sourceTags"),
        ("targetServiceAccounts", "targetTags"),
    ),
    standing=COLLECTION.identity,
)
