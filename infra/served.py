"""A wrapper's model and version, on either prediction service: what endpoints are made of and tasks are told."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.classic_version import ClassicVersion
from infra.model_version import ModelVersion


@dataclass(frozen=True)
class Served:
    """A wrapper's model in the registry, and its version."""

    model: pulumi.Resource
    version: ModelVersion | ClassicVersion
    outputs: dict[str, Any]
