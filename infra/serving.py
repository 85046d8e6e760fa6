"""Models, versions and endpoints, one of each for every wrapper that `invoke upload` has put in the bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.classic_version import ClassicVersion
from infra.encryption import Key
from infra.model_deployment import Deployment
from infra.model_version import DEFAULT, Model, ModelVersion
from infra.names import Names
from infra.serving_image import container_spec, image_uri
from infra.settings import Settings


@dataclass(frozen=True)
class Served:
    """A wrapper's model in the registry, and its version."""

    model: pulumi.Resource
    version: ModelVersion | ClassicVersion
    outputs: dict[str, Any]


def create_model(
    wrapper: str,
    settings: Settings,
    names: Names,
    labels: dict[str, str],
    key: Key,
    depends_on: Sequence[pulumi.Resource],
) -> Served:
    """Put a wrapper's uploaded model into the registry: the model, and the version that its digest names."""
    uploaded, adopted = settings.models[wrapper], settings.adopt_models.get(wrapper, "")
    model_id = adopted or names.model(wrapper)
    source = {
        "artifact_uri": uploaded.artifact_uri,
        "digest": uploaded.digest,
        "container_spec": container_spec(image_uri(settings, names)),
        **({"encryption_spec": key.spec} if key.spec else {}),
    }
    model = Model(
        f"{wrapper}-model",
        {
            "project": settings.project,
            "location": settings.region,
            "model_id": model_id,
            "display_name": model_id,
            "description": f"Housing prices with keys, {wrapper} wrapper",
            "labels": labels,
            **({"adopt": True} if adopted else {}),
            **source,
        },
        # A model that was there before the stack is there after it
        pulumi.ResourceOptions(
            depends_on=[*depends_on, *key.grants],
            protect=settings.production,
            retain_on_delete=True if adopted else None,
        ),
    )
    kept = {"keep_versions": settings.keep_versions}
    version = ModelVersion(f"{wrapper}-version", {"model": model.name, "alias": DEFAULT, **kept, **source})
    outputs = {
        "name": model.name,
        "version": version.version,
        "versionName": version.name,
        "artifactUri": uploaded.artifact_uri,
        "digest": uploaded.digest,
        "displayName": model_id,
    }
    return Served(model, version, outputs)


def create_endpoint(
    wrapper: str,
    settings: Settings,
    names: Names,
    labels: dict[str, str],
    key: Key,
    depends_on: Sequence[pulumi.Resource],
) -> gcp.vertex.AiEndpoint:
    """Create a wrapper's endpoint. Deploying changes how it splits traffic, so that is not the stack's to set."""
    return gcp.vertex.AiEndpoint(
        f"{wrapper}-endpoint",
        name=names.endpoint(wrapper),
        display_name=names.model(wrapper),
        location=settings.region,
        region=settings.region,
        labels=labels,
        encryption_spec={"kms_key_name": key.name} if key.name else None,
        opts=pulumi.ResourceOptions(depends_on=[*depends_on, *key.grants], ignore_changes=["trafficSplit"]),
    )


def deploy_version(
    wrapper: str,
    settings: Settings,
    endpoint: gcp.vertex.AiEndpoint,
    served: Served,
    account: gcp.serviceaccount.Account,
) -> Deployment:
    """Deploy a wrapper's version to its endpoint; a new version is deployed before the old one goes."""
    return Deployment(
        f"{wrapper}-deployment",
        {
            "endpoint": endpoint.id,
            "model": served.version.name,
            "machine_type": settings.machine_type,
            "service_account": account.email,
        },
    )
