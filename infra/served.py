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


def known_name(model: pulumi.Resource, name: str) -> pulumi.Output[str]:
    """Return a model's full name, which depends on the model and is known before it is there.

    Its own output is unknown while a preview updates it, and what is made of it would look replaced.
    """
    return model.urn.apply(lambda _: name)
