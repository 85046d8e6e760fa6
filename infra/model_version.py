"""Model and model version of Vertex AI as Pulumi resources, over prediction.py.

`invoke upload` names an artifact by its content's digest; a new digest becomes a new version, which takes the alias
`default` before the old version goes. The names of module and classes are in every stack's state: never rename them.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import prediction
from infra.google_client import Connection, Json, PredictionApiError
from infra.model_fields import (
    MODEL_FIELDS,
    Props,
    matches,
    model_properties,
    source,
    source_findings,
    source_properties,
)
from infra.operations import claim, told
from infra.settings import OWN_LABELS
from infra.vertex_provider import (
    VertexProvider,
    changed,
    checked,
    in_one_line,
    labels_are_right,
    own,
    text,
)

Options = pulumi.ResourceOptions | None

CLAIM_LIMIT = 300.0  # seconds; an upload copies the artifact
ADOPT = "Correct the setting adoptModels; which there are: gcloud ai models list --region REGION"
DEFAULT = "default"  # the alias that exactly one version of a model has
MODEL_PLACE = ("project", "location", "model_id")
VERSION_FIELDS = ("alias", "keep_versions")
VERSION_SOURCE = ("model", "artifact_uri", "digest", "container_spec", "encryption_spec")


class ModelProvider(VertexProvider):
    """A model: its name, description and labels. Its first version is made with it; versions are resources apart.

    A model of that name which carries the stack's labels is taken over: an interrupted run made it. So is one without
    labels of any stack, where the setting `adoptModels` names it.
    """

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what Vertex AI would refuse, before anything is sent."""
        return checked(
            news,
            [
                ("model_id", matches(r"[a-z_][a-z0-9_-]{0,62}", news.get("model_id")), "up to 63 of a-z, 0-9, _ and -"),
                ("display_name", text(news.get("display_name")), "1 to 128 characters"),
                ("labels", labels_are_right(news.get("labels")), "labels of lower-case letters, digits, _ and -"),
                *source_findings(news),
            ],
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare; artifact and container matter only to the first version, so their change is none of the model."""
        replaces, sealed = changed(olds, news, MODEL_PLACE), changed(olds, news, ("encryption_spec",))
        different = bool(replaces or sealed or changed(olds, news, MODEL_FIELDS))
        # Another key is another model, of the same name
        return DiffResult(different, [*replaces, *sealed], delete_before_replace=bool(sealed and not replaces))

    @in_one_line
    def create(self, props: Props) -> CreateResult:
        """Upload the model with its first version, or take over the one that an interrupted run made."""
        props = own(props)
        name = "projects/{project}/locations/{location}/models/{model_id}".format(**props)
        connection = self.connection(name)
        if props.get("adopt") and prediction.get_model(connection, name) is None:
            raise PredictionApiError(f"There is no model {name!r} to adopt. {ADOPT}", 404)
        live = claim(
            lambda: self._upload(connection, name, props),
            lambda: prediction.get_model(connection, name),
            f"Model {name!r}",
            CLAIM_LIMIT,
        )
        _take_over(connection, name, live, props)
        return CreateResult(name, {**props, "name": name})

    @in_one_line
    def read(self, id_: str, props: Props) -> ReadResult:
        """Read name, description and labels as they are; of labels only those that the program sets."""
        live = prediction.get_model(self.connection(id_), id_)
        if live is None:
            return ReadResult("", {})
        _, project, _, location, _, model_id = id_.split("/")
        place = {"project": project, "location": location, "model_id": model_id}
        inputs = {**source_properties(live), **place, **own(props), **model_properties(live, props.get("labels"))}
        inputs.pop("name", None)
        return ReadResult(id_, {**inputs, "name": id_}, inputs)

    @in_one_line
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Change name, description and labels; labels of others stay."""
        _patch(self.connection(id_), id_, own(olds), own(news))
        return UpdateResult({**own(news), "name": id_})

    @in_one_line
    def delete(self, id_: str, _props: Props) -> None:
        """Delete the model with all its versions."""
        prediction.delete_model(self.connection(id_), id_)

    def _upload(self, connection: Connection, name: str, props: Props) -> Json:
        model = {field: props[key] for key, field in MODEL_FIELDS.items()} | source(props)
        prediction.upload_model(connection, model, model_id=props["model_id"], progress=told(f"Model {name}"))
        return prediction.get_model(connection, name) or {}


class VersionProvider(VertexProvider):
    """A version: one artifact in one container. Any other artifact or container is another version."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what Vertex AI would refuse, before anything is sent."""
        alias = matches(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]", news.get("alias"))
        return checked(news, [("alias", alias, "letters, digits and -, such as default"), *source_findings(news)])

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare; the new version is ready before the old one goes."""
        replaces = changed(olds, news, VERSION_SOURCE)
        return DiffResult(changes=bool(replaces or changed(olds, news, VERSION_FIELDS)), replaces=replaces)

    @in_one_line
    def create(self, props: Props) -> CreateResult:
        """Upload the version and give it the alias.

        A version of the same artifact is taken over: the model's creation made it, or an interrupted run.
        """
        props = own(props)
        model, connection = props["model"], self.connection(props["model"])
        version = prediction.find_version(connection, model, source(props)) or self._upload(connection, props)
        name = f"{model}@{version['versionId']}"
        if props["alias"] not in version.get("versionAliases", []):
            prediction.merge_aliases(connection, name, props["alias"])
        return CreateResult(name, {**props, "version": version["versionId"], "name": name})

    @in_one_line
    def read(self, id_: str, props: Props) -> ReadResult:
        """Read where the version comes from and whether it has its alias."""
        live = prediction.get_model(self.connection(id_), id_)
        if live is None:
            return ReadResult("", {})
        model, _, version = id_.partition("@")
        alias = props.get("alias") or DEFAULT
        standing = alias if alias in live.get("versionAliases", []) else ""
        inputs = {**source_properties(live), **own(props), "model": model, "alias": standing}
        inputs = {key: inputs[key] for key in (*VERSION_SOURCE, *VERSION_FIELDS) if key in inputs}
        return ReadResult(id_, {**inputs, "version": version, "name": id_}, inputs)

    @in_one_line
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Give the version its alias; how many are kept counts when the next one comes."""
        wanted, had = news["alias"], olds.get("alias")
        surplus = [f"-{had}"] if had and had not in (DEFAULT, wanted) else []
        prediction.merge_aliases(self.connection(id_), id_, wanted, *surplus)
        return UpdateResult({**own(news), "version": id_.partition("@")[2], "name": id_})

    @in_one_line
    def delete(self, id_: str, props: Props) -> None:
        """Keep the version among those that the stack keeps to go back to, and delete the oldest beyond them.

        A version with an alias is in use and stays; the default one goes with its model.
        """
        connection, keep = self.connection(id_), int(props.get("keep_versions") or 0)
        for version in _unused_like(connection, id_)[keep:]:
            prediction.delete_version(connection, f"{id_.partition('@')[0]}@{version['versionId']}")

    def _upload(self, connection: Connection, props: Props) -> Json:
        parent = prediction.get_model(connection, props["model"])
        if parent is None:
            msg = f"Model {props['model']!r} is gone. Run: invoke refresh, then: invoke up"
            raise PredictionApiError(msg, 404)
        # Without labels: a version's own are merged into the model's when it is read
        body = {"displayName": parent["displayName"], **source(props)}
        progress = told(f"Version of {props['model']}")
        uploaded = prediction.upload_model(connection, body, parent_model=props["model"], progress=progress)
        return {"versionId": uploaded.version}


class Model(Resource, module="prediction", name="Model"):
    """A model in Vertex AI's registry."""

    name: pulumi.Output[str]

    def __init__(self, resource_name: str, props: Mapping[str, Any], opts: Options = None) -> None:
        super().__init__(ModelProvider(), resource_name, {**props, "name": None}, opts)


class ModelVersion(Resource, module="prediction", name="ModelVersion"):
    """A version of a model in Vertex AI's registry."""

    name: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(self, resource_name: str, props: Mapping[str, Any], opts: Options = None) -> None:
        super().__init__(VersionProvider(), resource_name, {**props, "name": None, "version": None}, opts)


def _unused_like(connection: Connection, id_: str) -> list[Json]:
    """Return the versions without an alias, newest first, whose artifacts lie beside the given one's: the stack's."""
    live = prediction.get_model(connection, id_)
    if live is None:
        return []
    found = reversed(prediction.list_versions(connection, id_.partition("@")[0]))
    return [each for each in found if not each.get("versionAliases") and _folder(each) == _folder(live)]


def _folder(version: Json) -> str:
    return str(version.get("artifactUri", "")).rstrip("/").rpartition("/")[0]


def _take_over(connection: Connection, name: str, live: Json, props: Props) -> None:
    """Make a model that was there what the program wants, if its labels say that it is the stack's."""
    ours = {key: props["labels"][key] for key in OWN_LABELS if key in props["labels"]}
    theirs = {key: live.get("labels", {}).get(key) for key in ours}
    adopted = props.get("adopt") and not any(theirs.values())
    if theirs != ours and not adopted:
        wanted = ",".join(f"{key}={value}" for key, value in ours.items())
        msg = (
            f"Model {name!r} is there and not of this stack (labels {theirs}). To let this stack have it, run:"
            f" gcloud ai models update {props['model_id']} --region {connection.region} --update-labels {wanted}"
        )
        raise PredictionApiError(msg, 409)
    olds = model_properties(live, props["labels"])
    if changed(olds, props, MODEL_FIELDS):
        _patch(connection, name, olds, props)


def _patch(connection: Connection, name: str, olds: Props, news: Props) -> None:
    live = prediction.get_model(connection, name)
    if live is None:
        msg = f"Model {name!r} is gone. Run: invoke refresh, then: invoke up"
        raise PredictionApiError(msg, 404)
    others = {key: value for key, value in live.get("labels", {}).items() if key not in olds.get("labels", {})}
    fields = {field: news[key] for key, field in MODEL_FIELDS.items()} | {"labels": {**others, **news["labels"]}}
    prediction.patch_model(connection, name, fields)
