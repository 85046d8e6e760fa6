"""ml projects.models.versions: create, get, list, patch, delete, setDefault. Ready means: its server answers."""

import threading
from concurrent.futures import Future
from dataclasses import replace

from infra.emulator import classic_operations, generic, model_servers, operations
from infra.emulator.calls import Call, Cloud, handles, on_start
from infra.emulator.classic_models import READY, require_ready
from infra.emulator.classic_records import (
    LARGEST_PAGE,
    PAGE,
    VERSIONS,
    Model,
    Version,
    check_etag,
    check_labels,
    field_error,
    find_version,
    get_model,
    get_version,
    masked_paths,
    model_of,
    put_model,
    put_version,
    version_view,
    versions_of,
    wrong_state,
)
from infra.emulator.classic_serving import serve
from infra.emulator.classic_version_rules import check_size, new_version, uri_error
from infra.emulator.errors import ApiError, failed_precondition
from infra.emulator.model_artifacts import artifacts_folder, copy_artifact, remove_artifact
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import apply_mask

CREATING, FAILED = "CREATING", "FAILED"
MUTABLE = ("description", "requestLoggingConfig", "autoScaling.minNodes", "manualScaling.nodes")
RESPONSE_TYPE = "type.googleapis.com/google.cloud.ml.v1.Version"
BAD_MODEL = (
    'Create Version failed. Bad model detected with error: "Failed to load model: Failed to load the model due to bad '
    "model data. tags: ['serve']\n{} (Error code: 0)\""
)


@handles("ml.projects.models.versions.create")
def create(call: Call) -> Json:
    """Make a version from a copy of its model's folder; the operation is done when its server answers."""
    parent = call.path["parent"]
    get_model(call.resources, parent, "parent")
    body = {**new_version(parent, call.body, call.cloud.now()), "state": CREATING}
    _check_free(call, body["name"])
    artifact = _copied(call.cloud, body)
    try:
        with call.resources.transaction():
            get_model(call.resources, parent, "parent")
            _check_free(call, body["name"])
            operation = classic_operations.pending(call, "CREATE_VERSION", parent, _stateless(body))
            version = Version(body, artifact, operation["name"])
            put_version(call.resources, version)
    except BaseException:
        remove_artifact(artifacts_folder(call.cloud) / artifact)
        raise
    _begin(call.cloud, version)
    return operation


def _check_free(call: Call, name: str) -> None:
    if find_version(call.resources, name) is not None:
        raise field_error("version.name", "A version with the same name already exists.", 409)


def _copied(cloud: Cloud, body: Json) -> str:
    try:
        folder = copy_artifact(cloud, body["deploymentUri"])
    except ApiError as error:
        raise uri_error(error) from None
    try:
        check_size(folder, body)
    except ApiError:
        remove_artifact(folder)
        raise
    return folder.name


def _stateless(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "state"}


def _begin(cloud: Cloud, version: Version) -> None:
    """Start the server; a thread of its own ends the operation when it answers, or does not."""
    threading.Thread(target=_finish, args=(cloud, version, serve(cloud, version)), daemon=True).start()


def _finish(cloud: Cloud, version: Version, future: Future[model_servers.Running]) -> None:
    error = future.exception()
    if model_servers.stopping():  # the next start of the cloud goes on with it
        return
    with cloud.resources.transaction():
        operation = cloud.resources.get(operations.KIND, version.operation) or {}
        cancelled = bool(operation.get("done"))
        if cancelled:
            cloud.resources.delete(VERSIONS, version.name)
        elif error is None:
            _make_ready(cloud, version)
        else:
            _note_failure(cloud, version, error)
    if cancelled or error is not None:
        model_servers.remove(version.name)
    if cancelled:
        remove_artifact(artifacts_folder(cloud) / version.artifact)


def _make_ready(cloud: Cloud, version: Version) -> None:
    put_version(cloud.resources, Version({**version.body, "state": READY}, version.artifact))
    model = get_model(cloud.resources, model_of(version.name))
    if not model.default:
        put_model(cloud.resources, Model(model.body, version.name.rpartition("/")[2]))
    view = version_view(cloud.resources, get_version(cloud.resources, version.name))
    operations.complete(cloud, version.operation, {"@type": RESPONSE_TYPE, **view})


def _note_failure(cloud: Cloud, version: Version, error: BaseException) -> None:
    said = error.message if isinstance(error, ApiError) else str(error)
    said = said.removeprefix(f"{model_servers.NEVER_READY} ")
    said = said.replace(str(artifacts_folder(cloud) / version.artifact), version.body["deploymentUri"])
    message = BAD_MODEL.format(said)
    body = {**version.body, "state": FAILED, "errorMessage": message}
    put_version(cloud.resources, Version(body, version.artifact))
    operations.fail(cloud, version.operation, failed_precondition(message))


@on_start
def resume(cloud: Cloud) -> None:
    """Go on with versions that were being made; those that are ready are served again when they are asked."""
    for _, record in cloud.resources.list(VERSIONS):
        version = Version(**record)
        if version.body["state"] == CREATING:
            _begin(cloud, version)


@handles("ml.projects.models.versions.get")
def get(call: Call) -> Json:
    """Return a version."""
    return version_view(call.resources, get_version(call.resources, call.path["name"]))


@handles("ml.projects.models.versions.list")
def list_versions(call: Call) -> Json:
    """List a model's versions."""
    model = get_model(call.resources, call.path["parent"], "parent").body["name"]
    views = [version_view(call.resources, version) for version in versions_of(call.resources, model)]
    names = ("name", "description", "state", "framework", "runtimeVersion", "isDefault", "createTime")
    found = generic.filtered(views, call.parameter("filter"), *names)
    return generic.page(call, found, "versions", default=PAGE, largest=LARGEST_PAGE)


@handles("ml.projects.models.versions.patch")
def patch(call: Call) -> Json:
    """Change what the mask names, as an operation; the model itself never changes."""
    paths = masked_paths(call.parameter("updateMask"), MUTABLE)
    with call.resources.transaction():
        version = get_version(call.resources, call.path["name"])
        check_etag(call.body, version.body)
        if "manualScaling.nodes" in paths and not version.body["machineType"].startswith("n1-"):
            raise field_error("manual_scaling.nodes", "It can be updated on Compute Engine (N1) machine types only.")
        body = apply_mask(version.body, call.body, paths)
        check_labels(body, "version")
        put_version(call.resources, replace(version, body=body))
        changed = version_view(call.resources, get_version(call.resources, version.name))
    model = model_of(version.name)
    return classic_operations.finished(call, "UPDATE_VERSION", model, version=changed, response=changed)


@handles("ml.projects.models.versions.setDefault")
def set_default(call: Call) -> Json:
    """Make a version the one that predictions without a version go to, at once."""
    with call.resources.transaction():
        short = require_ready(call, call.path["name"], "name")
        model = get_model(call.resources, model_of(call.path["name"]))
        put_model(call.resources, Model(model.body, short))
        return version_view(call.resources, get_version(call.resources, call.path["name"]))


@handles("ml.projects.models.versions.delete")
def delete(call: Call) -> Json:
    """Delete a version, as an operation; the default one only when it is the last."""
    name = call.path["name"]
    with call.resources.transaction():
        version = get_version(call.resources, name)
        if version.body["state"] == CREATING:
            raise wrong_state("name", "The version is being created. Wait for its operation, or cancel it.")
        model = get_model(call.resources, model_of(name))
        if model.default == name.rpartition("/")[2]:
            if len(versions_of(call.resources, model_of(name))) > 1:
                raise wrong_state("name", "The default version cannot be deleted while the model has other versions.")
            put_model(call.resources, Model(model.body))
        call.resources.delete(VERSIONS, name)
    model_servers.remove(name)
    remove_artifact(artifacts_folder(call.cloud) / version.artifact)
    return classic_operations.finished(call, "DELETE_VERSION", model_of(name), version=_stateless(version.body))
