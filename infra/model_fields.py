"""Properties of the model resources <-> fields of Vertex AI's Model."""

import re
from collections.abc import Mapping
from typing import Any

from infra.google_client import Json

Props = dict[str, Any]
MODEL_FIELDS = {"display_name": "displayName", "description": "description", "labels": "labels"}
ARTIFACT_WANTED = "a folder in a bucket: gs://BUCKET/FOLDER"
CONTAINER_WANTED = "a container with an imageUri"
GS_FOLDER = r"gs://[a-z0-9][a-z0-9._-]+/\S+"


def source_findings(news: Props) -> list[tuple[str, bool, str]]:
    """Check artifact and container: each property, whether it is right, what is wanted."""
    container = news.get("container_spec")
    image = container.get("imageUri") if isinstance(container, Mapping) else None
    return [
        ("artifact_uri", matches(GS_FOLDER, news.get("artifact_uri")), ARTIFACT_WANTED),
        ("container_spec", bool(image), CONTAINER_WANTED),
    ]


def source(props: Props) -> Json:
    """Return the fields of an upload that make a version what it is; the description carries the digest."""
    return {
        "artifactUri": props["artifact_uri"],
        "containerSpec": props["container_spec"],
        "versionDescription": f"SavedModel {props['digest']}",
        **({"encryptionSpec": props["encryption_spec"]} if props.get("encryption_spec") else {}),
    }


def source_properties(live: Json) -> Props:
    """Return the properties that an uploaded version was made from."""
    return {
        "artifact_uri": live.get("artifactUri", ""),
        "container_spec": live.get("containerSpec", {}),
        "digest": live.get("versionDescription", "").removeprefix("SavedModel "),
        **({"encryption_spec": live["encryptionSpec"]} if live.get("encryptionSpec") else {}),
    }


def model_properties(live: Json, declared: Mapping[str, str] | None) -> Props:
    """Return a model's own properties; of its labels only the declared ones, where they are given."""
    found = live.get("labels", {})
    labels = found if declared is None else {key: found[key] for key in declared if key in found}
    return {"display_name": live["displayName"], "description": live.get("description", ""), "labels": labels}


def matches(pattern: str, value: Any) -> bool:
    """Say whether a value is text of a pattern."""
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None
