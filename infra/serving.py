"""Models, versions and endpoints, one of each for every wrapper that `invoke upload` has put in the bucket."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.classic_serving import classic_endpoints, create_classic_models
from infra.encryption import Key
from infra.model_deployment import Deployment
from infra.model_version import DEFAULT, Model, ModelVersion
from infra.names import Names
from infra.served import Served, known_name
from infra.serving_image import container_spec, image_uri, warn_about
from infra.setting_table import CLASSIC
from infra.settings import Settings


def create_models(
    settings: Settings, names: Names, labels: dict[str, str], key: Key, depends_on: Sequence[pulumi.Resource]
) -> dict[str, Served]:
    """Put every uploaded wrapper into the registry of the stack's prediction service."""
    if settings.platform == CLASSIC:
        return create_classic_models(settings, names, labels, depends_on)
    if settings.models:
        warn_about(image_uri(settings, names))
    return {wrapper: _create_model(wrapper, settings, names, labels, key, depends_on) for wrapper in settings.models}


def create_endpoints(
    settings: Settings, names: Names, labels: dict[str, str], key: Key, depends_on: Sequence[pulumi.Resource]
) -> dict[str, gcp.vertex.AiEndpoint]:
    """Create the endpoints that the stack wants, by wrapper; AI Platform has none."""
    wrappers = () if settings.platform == CLASSIC else settings.endpoints
    return {wrapper: _create_endpoint(wrapper, settings, names, labels, key, depends_on) for wrapper in wrappers}


def deploy_versions(
    settings: Settings,
    endpoints: Mapping[str, gcp.vertex.AiEndpoint],
    served: Mapping[str, Served],
    account: gcp.serviceaccount.Account,
) -> dict[str, dict[str, Any]]:
    """Deploy every version that has an endpoint, and return what tasks know of each endpoint, by wrapper."""
    if settings.platform == CLASSIC:
        return classic_endpoints(settings, served)
    found: dict[str, dict[str, Any]] = {wrapper: {"name": endpoint.id} for wrapper, endpoint in endpoints.items()}
    for wrapper in [each for each in found if each in served]:
        deployment = _deploy_version(wrapper, settings, endpoints[wrapper], served[wrapper], account)
        found[wrapper]["deployedModelId"] = deployment.deployed_model_id
    return found


def _create_model(
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
    name = known_name(model, f"projects/{settings.project}/locations/{settings.region}/models/{model_id}")
    kept = {"keep_versions": settings.keep_versions}
    version = ModelVersion(f"{wrapper}-version", {"model": name, "alias": DEFAULT, **kept, **source})
    outputs = {
        "name": name,
        "version": version.version,
        "versionName": version.name,
        "artifactUri": uploaded.artifact_uri,
        "digest": uploaded.digest,
        "displayName": model_id,
    }
    return Served(model, version, outputs)


def _create_endpoint(
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


def _deploy_version(
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
