"""The workbench instance to explore data and model in: no public address, off when idle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.access import create_notebook_account
from infra.encryption import Key
from infra.names import Names
from infra.network import PrivateNetwork
from infra.settings import Settings


@dataclass(frozen=True)
class Surroundings:
    """What the notebook works with; it is in the stack's network, or in the project's default one (None)."""

    bucket: gcp.storage.Bucket
    prediction_account: gcp.serviceaccount.Account
    network: PrivateNetwork | None = None


def create_notebook(
    settings: Settings,
    names: Names,
    around: Surroundings,
    labels: dict[str, str],
    key: Key,
    depends_on: Sequence[pulumi.Resource],
) -> dict[str, Any]:
    """Create account and instance, where the stack wants them, and return what tasks know of it.

    It runs as its own account, never as the project's default one, which may edit all. An owner opens it alone;
    otherwise everybody does who may act as its account.
    """
    if not settings.notebook:
        return {}
    account = create_notebook_account(settings, names, around.bucket, around.prediction_account, depends_on)
    owner = settings.notebook_owner
    if owner:
        gcp.serviceaccount.IAMMember(
            "owner-acts-as-notebook",
            service_account_id=account.name,
            role="roles/iam.serviceAccountUser",
            member=f"user:{owner}",
        )
    instance = gcp.workbench.Instance(
        "notebook",
        name=names.notebook,
        location=settings.zone,
        gce_setup={
            "machine_type": settings.notebook_machine_type,
            "disable_public_ip": True,
            "service_accounts": [{"email": account.email}],
            "shielded_instance_config": {
                "enable_secure_boot": True,
                "enable_vtpm": True,
                "enable_integrity_monitoring": True,
            },
            "metadata": {"idle-timeout-seconds": str(settings.notebook_idle_minutes * 60)},
            **_disks(key),
            **_interfaces(around.network),
        },
        instance_owners=[owner] if owner else None,
        labels=labels,
        opts=pulumi.ResourceOptions(depends_on=[*depends_on, *key.grants]),
    )
    return {"name": instance.name, "proxyUri": instance.proxy_uri}


def _disks(key: Key) -> dict[str, Any]:
    disk = {"disk_encryption": "CMEK", "kms_key": key.name}
    return {"boot_disk": disk, "data_disks": disk} if key.name else {}


def _interfaces(network: PrivateNetwork | None) -> dict[str, Any]:
    if network is None:
        return {}
    return {"network_interfaces": [{"network": network.network.id, "subnet": network.subnetwork.id}]}
