"""Models and versions on AI Platform, one of each for every uploaded wrapper: what program.py declares there.

Google switched AI Platform off on 2025-01-31. The local cloud still has it, for what was written against it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra.classic_version import ClassicModel, ClassicVersion
from infra.names import Names
from infra.served import Served, known_name
from infra.settings import Settings

RUNTIME = {"runtime_version": "2.1", "python_version": "3.7"}  # the last runtime with batch prediction


def create_classic_models(
    settings: Settings, names: Names, labels: dict[str, str], depends_on: Sequence[pulumi.Resource]
) -> dict[str, Served]:
    """Declare a model and a version for every uploaded wrapper."""
    return {wrapper: _create_model(wrapper, settings, names, labels, depends_on) for wrapper in settings.models}


def classic_endpoints(settings: Settings, served: Mapping[str, Served]) -> dict[str, dict[str, Any]]:
    """Return what answers online, by wrapper: there are no endpoints, the versions answer themselves."""
    return {wrapper: {"name": served[wrapper].version.name} for wrapper in settings.endpoints if wrapper in served}


def _create_model(
    wrapper: str, settings: Settings, names: Names, labels: dict[str, str], depends_on: Sequence[pulumi.Resource]
) -> Served:
    """Declare a wrapper's model, and the version that its digest names."""
    uploaded, model_id = settings.models[wrapper], names.classic_model(wrapper)
    model = ClassicModel(
        f"{wrapper}-model",
        {
            "project": settings.project,
            "region": settings.region,
            "model_id": model_id,
            "description": f"Housing prices with keys, {wrapper} wrapper",
            "labels": labels,
        },
        pulumi.ResourceOptions(depends_on=depends_on, protect=settings.production),
    )
    name = known_name(model, f"projects/{settings.project}/models/{model_id}")
    version = ClassicVersion(
        f"{wrapper}-version",
        {
            "model": name,
            "artifact_uri": uploaded.artifact_uri,
            "digest": uploaded.digest,
            "default": True,
            "keep_versions": settings.keep_versions,
            **RUNTIME,
        },
    )
    outputs = {
        "name": name,
        "version": version.version,
        "versionName": version.name,
        "artifactUri": uploaded.artifact_uri,
        "digest": uploaded.digest,
        "displayName": model_id,
    }
    return Served(model, version, outputs)
