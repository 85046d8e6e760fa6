"""Every property of gcp.compute.Router and RouterNat."""

from infra.engine.gcp import settling, validation
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    UNREAD,
    Fields,
    block,
    block_set,
    boolean,
    integer,
    mapping,
    string,
    string_set,
    strings,
)

BGP: Fields = {
    "asn": integer(REQUIRED),
    "advertiseMode": string(default="DEFAULT", choices=("DEFAULT", "CUSTOM")),
    "advertisedGroups": strings(),
    "advertisedIpRanges": block_set({"range": string(REQUIRED), "description": string()}, key="range"),
    "identifierRange": string(COMPUTED),
    "keepaliveInterval": integer(default=20),
}

ROUTER_FIELDS: Fields = {
    "name": string(NEW, wrong=validation.compute_name),
    "region": string(COMPUTED, NEW, settle=settling.last_segment),
    "project": PROJECT,
    "bgp": block(BGP),
    "deletionPolicy": DELETION,
    "description": string(),
    "encryptedInterconnectRouter": boolean(NEW),
    "md5AuthenticationKeys": block({"key": string(REQUIRED), "name": string(REQUIRED)}, UNREAD, wrapped=True),
    "nccGateway": string(NEW, settle=settling.last_segment),
    "network": string(NEW, settle=settling.last_segment),
    "params": block({"resourceManagerTags": mapping(NEW)}, NEW, UNREAD),
    "creationTimestamp": string(OUTPUT),
    "selfLink": string(OUTPUT),
}

SUBNETWORK: Fields = {
    "name": string(REQUIRED, settle=settling.last_segment),
    "sourceIpRangesToNats": string_set(REQUIRED, tf="source_ip_ranges_to_nat"),
    "secondaryIpRangeNames": string_set(),
}

ACTION: Fields = {
    name: string_set()
    for name in ("sourceNatActiveIps", "sourceNatActiveRanges", "sourceNatDrainIps", "sourceNatDrainRanges")
}

RULE: Fields = {
    "ruleNumber": integer(REQUIRED),
    "match": string(REQUIRED),
    "action": block(ACTION, COMPUTED),
    "description": string(),
}

NAT_FIELDS: Fields = {
    "name": string(NEW, wrong=validation.compute_name),
    "router": string(REQUIRED, NEW, LOCAL, settle=settling.last_segment),
    "region": string(COMPUTED, NEW, LOCAL, settle=settling.last_segment),
    "project": PROJECT,
    "autoNetworkTier": string(COMPUTED, choices=("PREMIUM", "STANDARD")),
    "deletionPolicy": DELETION,
    "drainNatIps": string_set(COMPUTED),
    "enableDynamicPortAllocation": boolean(COMPUTED),
    "enableEndpointIndependentMapping": boolean(COMPUTED),
    "endpointTypes": strings(COMPUTED, NEW),
    "icmpIdleTimeoutSec": integer(default=30),
    "initialNatIps": string_set(NEW, UNREAD),
    "logConfig": block(
        {
            "enable": boolean(REQUIRED),
            "filter": string(REQUIRED, choices=("ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL")),
        }
    ),
    "maxPortsPerVm": integer(),
    "minPortsPerVm": integer(COMPUTED),
    "nat64Subnetworks": block_set(
        {"name": string(REQUIRED)}, key="name", tf="nat64_subnetwork", api="nat64Subnetworks"
    ),
    "natIpAllocateOption": string(choices=("MANUAL_ONLY", "AUTO_ONLY")),
    "natIps": string_set(COMPUTED),
    "rules": block_set(RULE, key="ruleNumber"),
    "sourceSubnetworkIpRangesToNat": string(
        REQUIRED,
        choices=("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS"),
    ),
    "sourceSubnetworkIpRangesToNat64": string(
        tf="source_subnetwork_ip_ranges_to_nat64",
        api="sourceSubnetworkIpRangesToNat64",
        choices=("ALL_IPV6_SUBNETWORKS", "LIST_OF_IPV6_SUBNETWORKS"),
    ),
    "subnetworks": block_set(SUBNETWORK, key="name", tf="subnetwork", api="subnetworks"),
    "tcpEstablishedIdleTimeoutSec": integer(default=1200),
    "tcpTimeWaitTimeoutSec": integer(default=120),
    "tcpTransitoryIdleTimeoutSec": integer(default=30),
    "type": string(NEW, default="PUBLIC", choices=("PUBLIC", "PRIVATE")),
    "udpIdleTimeoutSec": integer(default=30),
}
