"""The private network: no way in but Google's tunnel, a way to Google's APIs, one to the internet on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.names import Names
from infra.settings import Settings

TUNNEL = "35.235.240.0/20"  # where connections of Identity-Aware Proxy's TCP forwarding come from
SSH = "22"


@dataclass(frozen=True)
class PrivateNetwork:
    """The network, and its subnetwork in the stack's region."""

    network: gcp.compute.Network
    subnetwork: gcp.compute.Subnetwork


def create_network(settings: Settings, names: Names, depends_on: Sequence[pulumi.Resource]) -> PrivateNetwork | None:
    """Create the network, where the stack wants one.

    Whoever connects to a machine does so by IAM, through the tunnel, and flows are logged.
    """
    if not settings.private_network:
        return None
    network = gcp.compute.Network(
        "network",
        name=names.network,
        auto_create_subnetworks=False,
        routing_mode="REGIONAL",
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )
    subnetwork = gcp.compute.Subnetwork(
        "subnetwork",
        name=names.network,
        network=network.id,
        region=settings.region,
        ip_cidr_range=settings.network_range,
        private_ip_google_access=True,
        log_config={"flow_sampling": 0.5, "metadata": "INCLUDE_ALL_METADATA"},
    )
    gcp.compute.Firewall(
        "tunnel",
        name=f"{names.network}-ssh",
        network=network.id,
        direction="INGRESS",
        allows=[{"protocol": "tcp", "ports": [SSH]}],
        source_ranges=[TUNNEL],
        log_config={"metadata": "INCLUDE_ALL_METADATA"},
    )
    if settings.network_internet:
        _create_nat(settings, names, network)
    return PrivateNetwork(network, subnetwork)


def _create_nat(settings: Settings, names: Names, network: gcp.compute.Network) -> None:
    router = gcp.compute.Router("router", name=names.network, network=network.id, region=settings.region)
    gcp.compute.RouterNat(
        "nat",
        name=names.network,
        router=router.name,
        region=settings.region,
        nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
        log_config={"enable": True, "filter": "ERRORS_ONLY"},
    )
