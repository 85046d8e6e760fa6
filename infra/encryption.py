"""The customer-managed key: made or given, and granted to the accounts by which Google's services store data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_gcp as gcp

from infra.serving_image import has_registry
from infra.settings import Settings

NEW = "new"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
DAY = 24 * 3600  # seconds
# Objects stay under the key that they were written with: key and grants outlive the setting, and the stack
KEPT = pulumi.ResourceOptions(retain_on_delete=True)


@dataclass(frozen=True)
class Key:
    """The key that data is encrypted with (None: Google's own), and the grants that have to stand before its use."""

    name: pulumi.Input[str] | None = None
    grants: Sequence[pulumi.Resource] = field(default_factory=list)

    @property
    def spec(self) -> dict[str, pulumi.Input[str]] | None:
        """The key as Vertex AI's resources name it."""
        return {"kmsKeyName": self.name} if self.name else None


def create_key(settings: Settings, labels: dict[str, str], depends_on: Sequence[pulumi.Resource]) -> Key:
    """Make the stack's key, or take the given one, and let the agents of storage, Vertex AI and Workbench use it."""
    if not settings.kms_key:
        return Key()
    name = _new_key(settings, labels, depends_on) if settings.kms_key == NEW else settings.kms_key
    agents = _agents(settings, depends_on)
    grants = [
        gcp.kms.CryptoKeyIAMMember(f"{who}-uses-key", crypto_key_id=name, role=ROLE, member=member, opts=KEPT)
        for who, member in agents.items()
    ]
    return Key(name, grants)


def _new_key(settings: Settings, labels: dict[str, str], depends_on: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
    """Make a ring and a key in it. Google keeps both for ever: names of Pulumi's making are free after a destroy."""
    after = pulumi.ResourceOptions(depends_on=depends_on)
    ring = gcp.kms.KeyRing("keys", location=settings.region, opts=pulumi.ResourceOptions.merge(KEPT, after))
    key = gcp.kms.CryptoKey(
        "data-key",
        key_ring=ring.id,
        rotation_period=f"{settings.kms_rotation_days * DAY}s",
        labels=labels,
        opts=pulumi.ResourceOptions.merge(KEPT, pulumi.ResourceOptions(protect=settings.production)),
    )
    name: pulumi.Output[str] = key.id
    return name


def _agents(settings: Settings, depends_on: Sequence[pulumi.Resource]) -> dict[str, pulumi.Input[str]]:
    """Return the services' own accounts, which are made here where the project has not got them yet."""
    asked = pulumi.InvokeOutputOptions(depends_on=list(depends_on))
    storage = gcp.storage.get_project_service_account_output(project=settings.project, opts=asked)
    vertex = _agent("vertex-agent", "aiplatform", depends_on)
    agents: dict[str, pulumi.Input[str]] = {"storage": storage.member, "vertex": vertex.member}
    if has_registry(settings):
        agents["registry"] = _agent("registry-agent", "artifactregistry", depends_on).member
    if settings.notebook:
        agents["notebooks"] = _agent("notebooks-agent", "notebooks", depends_on).member
        agents["compute"] = vertex.email.apply(_compute_agent)
    return agents


def _agent(name: str, service: str, depends_on: Sequence[pulumi.Resource]) -> gcp.projects.ServiceIdentity:
    return gcp.projects.ServiceIdentity(
        name, service=f"{service}.googleapis.com", opts=pulumi.ResourceOptions(depends_on=depends_on)
    )


def _compute_agent(other: str) -> str:
    """Return Compute Engine's agent, which no call names: all agents of a project begin with service-NUMBER."""
    return f"serviceAccount:{other.partition('@')[0]}@compute-system.iam.gserviceaccount.com"
