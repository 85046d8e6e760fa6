"""aiplatform models: upload, get, list, patch, delete. Versions and aliases have a file of their own."""

import re
from typing import Any

from infra.emulator import model_evaluations, operations
from infra.emulator.calls import Call, Cloud, handles
from infra.emulator.errors import ApiError, already_exists, failed_precondition
from infra.emulator.kms_access import require_vertex_key
from infra.emulator.model_artifacts import artifacts_folder, copy_artifact, remove_artifact
from infra.emulator.model_versions import (
    DEFAULT,
    MODELS,
    VERSIONS,
    Version,
    check_aliases,
    check_undeployed,
    find_version,
    get_model,
    give_aliases,
    named,
    put_version,
    split_reference,
    touch_model,
    versions_of,
    view,
)
from infra.emulator.projects import full_name
from infra.emulator.resources import Json
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_places import check_bucket_place, check_location, location_of
from infra.emulator.vertex_rules import (
    REQUIRED,
    Finding,
    apply_mask,
    check_etag,
    display_name_findings,
    found_errors,
    label_findings,
    new_etag,
    numeric_id,
    refuse,
    required_mask,
)

MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
MODEL_FIELDS = ("displayName", "description", "labels")
UPLOAD_METADATA = "UploadModelOperationMetadata"
VERSION_FIELDS = ("versionDescription", "labels")
# Fields of an uploaded model that belong to its version and never change.
ARTIFACT_FIELDS = (
    "artifactUri",
    "containerSpec",
    "predictSchemata",
    "metadata",
    "metadataSchemaUri",
    "explanationSpec",
    "baseModelSource",
    "pipelineJob",
    "versionDescription",
)


def base_model_name(body: Json) -> str | None:
    """Return the public model that one was tuned from."""
    source = (body.get("baseModelSource") or {}).get("modelGardenSource") or {}
    return str(source["publicModelName"]) if source.get("publicModelName") else None


LISTING = Listing(
    "models",
    filters={
        "model": lambda body: body["name"].rpartition("/")[2],
        "displayName": lambda body: body.get("displayName"),
        "versionId": lambda body: body.get("versionId"),
        "baseModelName": base_model_name,
    },
    orders={"displayName": "displayName", "createTime": "createTime", "updateTime": "updateTime"},
)


@handles("aiplatform.projects.locations.models.upload")
def upload(call: Call) -> Any:
    """Make a model, or a version of the model that `parentModel` names, from a copy of its artifact."""
    sent = call.body.get("model") or {}
    check_location(call)
    refuse(_findings(call.body, sent))
    check_aliases(sent.get("versionAliases", []), "model" + ".version_aliases")
    require_vertex_key(call, sent)
    check_bucket_place(call.cloud, sent.get("artifactUri", ""), location_of(call.path["parent"]))
    model = place(call)
    try:
        artifact = copy_artifact(call.cloud, sent["artifactUri"]).name if sent.get("artifactUri") else ""
    except ApiError as error:
        return _failed(call, model, error)
    try:
        version = store(call, model, sent, artifact)
    except BaseException:
        if artifact:
            remove_artifact(artifacts_folder(call.cloud) / artifact)
        raise
    response = {"model": model, "modelVersionId": version.id}
    return operations.finished(call, UPLOAD_METADATA, "UploadModelResponse", response, parent=model)


def _failed(call: Call, model: str, error: ApiError) -> Json | None:
    operation = operations.pending(call, UPLOAD_METADATA, parent=model)
    operations.fail(call.cloud, operation["name"], error)
    stored = call.resources.get(operations.KIND, operation["name"])
    return operations.shown(call.cloud, stored) if stored else None


def id_findings(request: Json) -> list[Finding]:
    """Check the id that a request wants for a new model."""
    findings: list[Finding] = []
    model_id = request.get("modelId", "")
    if model_id and not MODEL_ID.fullmatch(model_id):
        rule = "up to 63 characters of [a-z0-9_-], the first neither a number nor a hyphen"
        findings.append(("model_id", f"The model id {model_id!r} is not valid: {rule}."))
    if model_id and request.get("parentModel"):
        findings.append(("model_id", "Only one of model_id and parent_model can be set."))
    return findings


def _findings(request: Json, sent: Json) -> list[Finding]:
    path = "model"
    findings = display_name_findings(sent, path) + label_findings(sent, path)
    if not (sent.get("containerSpec") or {}).get("imageUri"):
        findings.append((f"{path}.container_spec.image_uri", REQUIRED))
    return findings + id_findings(request)


def place(call: Call) -> str:
    """Return the name of the model that an upload or a copy makes or extends. Raises 404, or 409 where it is taken."""
    parent = call.body.get("parentModel")
    if parent:
        model, _ = split_reference(full_name(call.cloud, parent))
        get_model(call.resources, model)
        return model
    model = f"{call.path['parent']}/models/{call.body.get('modelId') or numeric_id(call)}"
    _check_free(call, model)
    return model


def _check_free(call: Call, model: str) -> None:
    if call.resources.get(MODELS, model) is not None:
        msg = f"The Model already exists: {model}. To add a version to it, name it in parentModel."
        raise already_exists(msg)


def store(call: Call, model: str, sent: Json, artifact: str) -> Version:
    """Make a version, with its model where that is new."""
    now = call.cloud.now()
    with call.resources.transaction():
        if call.body.get("parentModel"):
            touch_model(call, model, now)
        else:
            _check_free(call, model)
            call.resources.put(MODELS, model, _model_body(sent, now))
        number = str(call.resources.next_number(f"versions of {model}"))
        version = Version(model, _version_body(sent, number, now, new=not call.body.get("parentModel")), artifact)
        put_version(call.resources, version)
        aliases = set(sent.get("versionAliases", [])) | ({DEFAULT} if number == "1" else set())
        return give_aliases(call.resources, version, aliases, set(), now)


def _model_body(sent: Json, now: str) -> Json:
    fields = (*MODEL_FIELDS, "encryptionSpec")
    return {
        **{name: sent[name] for name in fields if name in sent},
        "createTime": now,
        "updateTime": now,
        "etag": new_etag(),
    }


def _version_body(sent: Json, number: str, now: str, *, new: bool) -> Json:
    """Return a version's fields; the labels of a new model are the model's, those of a further version its own."""
    fields = ARTIFACT_FIELDS if new else (*ARTIFACT_FIELDS, "labels")
    body = {name: sent[name] for name in fields if name in sent}
    source = {"predictSchemata": {}, "modelSourceInfo": {"sourceType": "CUSTOM"}}
    return {**source, **body, "versionId": number, "versionCreateTime": now, "versionUpdateTime": now}


@handles("aiplatform.projects.locations.models.get")
def get(call: Call) -> Json:
    """Return a model as its default version has it, or as the version or alias after the @."""
    name = call.path["name"]
    return named(view(call.resources, find_version(call.resources, name)), name)


@handles("aiplatform.projects.locations.models.list")
def list_models(call: Call) -> Json:
    """List the models of a location, each as its default version."""
    names = [name for name, _ in call.resources.list(MODELS, f"{call.path['parent']}/models/")]
    return list_page(call, LISTING, [view(call.resources, find_version(call.resources, name)) for name in names])


@handles("aiplatform.projects.locations.models.patch")
def patch(call: Call) -> Json:
    """Change display name, description and labels of a model, or description and labels of a version (`M@2`)."""
    name, wanted = split_reference(call.path["name"])
    specific = wanted not in ("", "-")
    allowed = VERSION_FIELDS if specific else MODEL_FIELDS
    paths = required_mask(call.parameter("updateMask"), (*MODEL_FIELDS, "versionDescription"))
    wrong = [path for path in paths if path.split(".")[0] not in allowed]
    if wrong:
        kind = "model version" if specific else "model"
        raise failed_precondition(f"{wrong[0]!r} is not a field of a {kind}: update {call.path['name']!r} accordingly.")
    with call.resources.transaction():
        version = find_version(call.resources, f"{name}@{wanted}" if specific else name)
        check_etag(call.body, view(call.resources, version))
        now = call.cloud.now()
        if specific:
            body = apply_mask(version.body, call.body, paths) | {"versionUpdateTime": now}
            refuse(label_findings(body, "model"))
            put_version(call.resources, Version(name, body, version.artifact))
        else:
            body = apply_mask(get_model(call.resources, name), call.body, paths)
            refuse(display_name_findings(body, "model") + label_findings(body, "model"))
            call.resources.put(MODELS, name, body)
            put_version(call.resources, version)
        touch_model(call, name, now)
        return named(view(call.resources, find_version(call.resources, version.name)), call.path["name"])


@handles("aiplatform.projects.locations.models.delete")
def delete(call: Call) -> Any:
    """Delete a model with all its versions; refused while one of them is deployed."""
    name = call.path["name"]
    if "@" in name:
        raise found_errors([("name", f"{name!r} names a version. Use deleteVersion.")])
    with call.resources.transaction():
        get_model(call.resources, name)
        check_undeployed(call.resources, name)
        versions = versions_of(call.resources, name)
        for version in versions:
            call.resources.delete(VERSIONS, version.name)
        call.resources.delete(MODELS, name)
        model_evaluations.forget(call, name)
        call.resources.delete("counters", f"versions of {name}")  # a model of that name starts at version 1 again
    for version in versions:
        discard(call.cloud, version)
    return operations.finished(call, "DeleteOperationMetadata", parent=name)


def discard(cloud: Cloud, version: Version) -> None:
    """Remove the artifact's copy of a version that is no more."""
    if version.artifact:
        remove_artifact(artifacts_folder(cloud) / version.artifact)
