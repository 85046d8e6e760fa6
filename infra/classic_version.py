"""Model and version of AI Platform as Pulumi resources, over classic_prediction.py: for stacks on a local cloud.

Versions are numbered v1, v2, …; a new artifact is a new version, which becomes the default before the old one goes. The
names of module and classes are in the stacks' state: never rename them.
"""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import classic_prediction as ml
from infra.google_client import Connection, Json, PredictionApiError
from infra.model_fields import ARTIFACT_WANTED, GS_FOLDER, Props, matches
from infra.operations import claim
from infra.settings import OWN_LABELS, vertex_endpoint
from infra.vertex_provider import (
    VertexProvider,
    changed,
    checked,
    in_one_line,
    labels_are_right,
    own,
)

Options = pulumi.ResourceOptions | None

CLAIM_LIMIT = 300.0  # seconds; a version is served before it is ready
NAME = r"[a-zA-Z][a-zA-Z0-9_]{0,127}"
NAME_WANTED = "letters, digits and _, the first a letter"
MODEL_FIELDS = ("description", "labels")
VERSION_SOURCE = ("model", "artifact_uri", "digest", "runtime_version", "python_version")
NUMBERED = re.compile(r"v(\d+)")


class ClassicProvider(VertexProvider):
    """Reaches the AI Platform of the local cloud whose Vertex AI the stack's gcp configuration names."""

    def connection(self, name: str) -> Connection:
        """Return the connection for a resource's project, which its full name says."""
        project, token = name.split("/")[1], self.config["gcp:accessToken"]
        return ml.classic(Connection(project, "", vertex_endpoint(self.config, ""), token))


class ClassicModelProvider(ClassicProvider):
    """A model: a name for versions. One of that name with the stack's labels is taken over."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what AI Platform would refuse, before anything is sent."""
        return checked(
            news,
            [
                ("model_id", matches(NAME, news.get("model_id")), NAME_WANTED),
                ("labels", labels_are_right(news.get("labels")), "labels of lower-case letters, digits, _ and -"),
            ],
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare; another project, region or name is another model."""
        replaces = changed(olds, news, ("project", "region", "model_id"))
        return DiffResult(changes=bool(replaces or changed(olds, news, MODEL_FIELDS)), replaces=replaces)

    @in_one_line
    def create(self, props: Props) -> CreateResult:
        """Make the model, or take over the one that an interrupted run made."""
        props = own(props)
        name = "projects/{project}/models/{model_id}".format(**props)
        connection = self.connection(name)
        fields = {"regions": [props["region"]], **_fields(props)}
        make, find = lambda: ml.create_model(connection, name, fields), lambda: ml.get_model(connection, name)
        live = claim(make, find, f"Model {name!r}", CLAIM_LIMIT)
        _check_ours(name, live, props)
        if _fields(live) != _fields(props):
            ml.patch_model(connection, name, _fields(props))
        return CreateResult(name, {**props, "name": name})

    @in_one_line
    def read(self, id_: str, props: Props) -> ReadResult:
        """Read description and labels as they are."""
        live = ml.get_model(self.connection(id_), id_)
        if live is None:
            return ReadResult("", {})
        _, project, _, model_id = id_.split("/")
        inputs = {**own(props), "project": project, "region": live["regions"][0], "model_id": model_id}
        inputs |= _fields(live)
        inputs.pop("name", None)
        return ReadResult(id_, {**inputs, "name": id_}, inputs)

    @in_one_line
    def update(self, id_: str, _olds: Props, news: Props) -> UpdateResult:
        """Change description and labels."""
        ml.patch_model(self.connection(id_), id_, _fields(news))
        return UpdateResult({**own(news), "name": id_})

    @in_one_line
    def delete(self, id_: str, _props: Props) -> None:
        """Delete the model with the versions that are left."""
        ml.delete_model(self.connection(id_), id_)


class ClassicVersionProvider(ClassicProvider):
    """A version: one artifact, and the default one. Any other artifact is another version."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what AI Platform would refuse, before anything is sent."""
        return checked(news, [("artifact_uri", matches(GS_FOLDER, news.get("artifact_uri")), ARTIFACT_WANTED)])

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare; the new version is ready before the old one goes."""
        replaces = changed(olds, news, VERSION_SOURCE)
        return DiffResult(
            changes=bool(replaces or changed(olds, news, ("default", "keep_versions"))), replaces=replaces
        )

    @in_one_line
    def create(self, props: Props) -> CreateResult:
        """Make the version, or take over the same one where an interrupted run made it; it becomes the default."""
        props = own(props)
        connection = self.connection(props["model"])
        there = ml.list_versions(connection, props["model"])
        same = [version["name"] for version in there if _same(version, props)]
        name = same[-1] if same else f"{props['model']}/versions/v{_next_number(there)}"
        claim(
            lambda: ml.create_version(connection, name, _source(props)),
            lambda: ml.get_version(connection, name),
            f"Version {name!r}",
            CLAIM_LIMIT,
        )
        ml.set_default(connection, name)
        return CreateResult(name, {**props, **_named(name)})

    @in_one_line
    def read(self, id_: str, props: Props) -> ReadResult:
        """Read where the version comes from and whether it is the default."""
        live = ml.get_version(self.connection(id_), id_)
        if live is None:
            return ReadResult("", {})
        model = id_.partition("/versions/")[0]
        source = {"artifact_uri": live["deploymentUri"], "digest": live.get("description", "").removeprefix(SAVED)}
        runtime = {"runtime_version": live["runtimeVersion"], "python_version": live["pythonVersion"]}
        inputs = {**source, **runtime, **own(props), "model": model}
        inputs["default"] = bool(live.get("isDefault"))
        inputs = {key: value for key, value in inputs.items() if key not in _named(id_)}
        return ReadResult(id_, {**inputs, **_named(id_)}, inputs)

    @in_one_line
    def update(self, id_: str, _olds: Props, news: Props) -> UpdateResult:
        """Make the version the default again; how many are kept counts when the next one comes."""
        ml.set_default(self.connection(id_), id_)
        return UpdateResult({**own(news), **_named(id_)})

    @in_one_line
    def delete(self, id_: str, props: Props) -> None:
        """Keep the version among those that the stack keeps to go back to; the default one goes with its model."""
        connection, keep = self.connection(id_), int(props.get("keep_versions") or 0)
        versions = ml.list_versions(connection, id_.partition("/versions/")[0])
        unused = [version for version in reversed(versions) if not version.get("isDefault")]
        for version in unused[keep:]:
            ml.delete_version(connection, version["name"])


SAVED = "SavedModel "


class ClassicModel(Resource, module="prediction", name="ClassicModel"):
    """A model of AI Platform."""

    name: pulumi.Output[str]

    def __init__(self, resource_name: str, props: Mapping[str, Any], opts: Options = None) -> None:
        super().__init__(ClassicModelProvider(), resource_name, {**props, "name": None}, opts)


class ClassicVersion(Resource, module="prediction", name="ClassicVersion"):
    """A version of a model of AI Platform."""

    name: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(self, resource_name: str, props: Mapping[str, Any], opts: Options = None) -> None:
        super().__init__(ClassicVersionProvider(), resource_name, {**props, "name": None, "version": None}, opts)


def _fields(props: Mapping[str, Any]) -> Json:
    return {"description": props.get("description", ""), "labels": dict(props.get("labels") or {})}


def _source(props: Props) -> Json:
    return {
        "deploymentUri": props["artifact_uri"],
        "description": f"{SAVED}{props['digest']}",
        "runtimeVersion": props["runtime_version"],
        "pythonVersion": props["python_version"],
        "framework": "TENSORFLOW",
    }


def _same(version: Json, props: Props) -> bool:
    """Tell whether a version was made from these properties; the service may drop a folder's last slash."""
    wanted = _source(props)
    return all(str(version.get(key, "")).rstrip("/") == value.rstrip("/") for key, value in wanted.items())


def _next_number(versions: list[Json]) -> int:
    numbers = [NUMBERED.fullmatch(version["name"].rpartition("/")[2]) for version in versions]
    return max((int(found[1]) for found in numbers if found), default=0) + 1


def _named(name: str) -> Props:
    return {"name": name, "version": name.rpartition("/")[2]}


def _check_ours(name: str, live: Json, props: Props) -> None:
    """Refuse a model that was there and is not this stack's."""
    ours = {key: props["labels"][key] for key in OWN_LABELS if key in props["labels"]}
    theirs = {key: live.get("labels", {}).get(key) for key in ours}
    if theirs != ours:
        wanted = ", ".join(f"{key}={value}" for key, value in ours.items())
        msg = f"Model {name!r} is there and not of this stack (labels {theirs}). Delete it, or label it {wanted}"
        raise PredictionApiError(msg, 409)
