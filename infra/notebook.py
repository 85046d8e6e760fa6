"""The workbench instance to explore data and model in: no public address, off when idle."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.names import Names
from infra.settings import Settings


def create_notebook(
    settings: Settings,
    names: Names,
    account: gcp.serviceaccount.Account,
    labels: dict[str, str],
    depends_on: Sequence[pulumi.Resource],
) -> gcp.workbench.Instance:
    """Create the instance. It runs as its own account, never as the project's default one, which may edit all."""
    return gcp.workbench.Instance(
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
        },
        labels=labels,
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )
