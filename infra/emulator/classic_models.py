"""ml projects.models: create, get, list, patch, delete."""

from dataclasses import asdict

from infra.emulator import classic_operations, generic
from infra.emulator.calls import Call, handles
from infra.emulator.classic_records import (
    LARGEST_PAGE,
    MODELS,
    PAGE,
    Model,
    check_etag,
    check_labels,
    check_region,
    checked_name,
    field_error,
    get_model,
    get_version,
    masked_paths,
    model_view,
    new_etag,
    put_model,
    versions_of,
    wrong_state,
)
from infra.emulator.errors import ApiError
from infra.emulator.policies import forget_policy
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import apply_mask

FIELDS = ("description", "onlinePredictionLogging", "onlinePredictionConsoleLogging", "labels")
MUTABLE = ("description", "defaultVersion.name")
DEFAULT_REGION = "us-central1"
READY = "READY"


@handles("ml.projects.models.create")
def create(call: Call) -> Json:
    """Make a model: a name for versions, at once."""
    regions = call.body.get("regions") or [DEFAULT_REGION]
    if len(regions) > 1:
        raise field_error("model.regions", "Only one region per model is supported.")
    check_region(regions[0], "model.regions")
    check_labels(call.body, "model")
    name = f"{call.path['parent']}/models/{checked_name(call.body.get('name', ''), 'model.name')}"
    sent = {field: call.body[field] for field in FIELDS if call.body.get(field)}
    model = Model({"name": name, "regions": regions, **sent, "etag": new_etag()})
    if not call.resources.insert(MODELS, name, asdict(model)):
        raise field_error("model.name", "A model with the same name already exists.", 409)
    return model.body


@handles("ml.projects.models.get")
def get(call: Call) -> Json:
    """Return a model with its default version."""
    return model_view(call.resources, get_model(call.resources, call.path["name"]))


@handles("ml.projects.models.list")
def list_models(call: Call) -> Json:
    """List a project's models; without any the answer is an empty object."""
    records = call.resources.list(MODELS, f"{call.path['parent']}/models/")
    views = [model_view(call.resources, Model(**record)) for _, record in records]
    found = generic.filtered(views, call.parameter("filter"), "name", "description")
    return generic.page(call, found, "models", default=PAGE, largest=LARGEST_PAGE)


@handles("ml.projects.models.patch")
def patch(call: Call) -> Json:
    """Change description, labels or the default version, as an operation."""
    paths = masked_paths(call.parameter("updateMask"), MUTABLE)
    with call.resources.transaction():
        model = get_model(call.resources, call.path["name"])
        check_etag(call.body, model.body)
        default = model.default
        if "defaultVersion.name" in paths:
            default = _ready_version(call, model)
        body = apply_mask(model.body, call.body, [path for path in paths if path != "defaultVersion.name"])
        check_labels(body, "model")
        put_model(call.resources, Model(body, default))
        changed = model_view(call.resources, get_model(call.resources, call.path["name"]))
    return classic_operations.finished(call, "UPDATE_MODEL", call.path["name"], response=changed)


def _ready_version(call: Call, model: Model) -> str:
    wanted = str((call.body.get("defaultVersion") or {}).get("name", "")).rpartition("/")[2]
    return require_ready(call, f"{model.body['name']}/versions/{wanted}", "default_version.name")


def require_ready(call: Call, name: str, field: str) -> str:
    """Return the short name of a version that can become the default one. Raises 404, or 400 where it is not ready."""
    version = get_version(call.resources, name, field)
    if version.body["state"] != READY:
        raise wrong_state(field, f"The version is {version.body['state']} and can not become the default one.")
    return name.rpartition("/")[2]


@handles("ml.projects.models.delete")
def delete(call: Call) -> Json:
    """Delete a model without versions, as an operation."""
    name = call.path["name"]
    with call.resources.transaction():
        get_model(call.resources, name)
        if versions_of(call.resources, name):
            raise _has_versions()
        call.resources.delete(MODELS, name)
        forget_policy(call, name)
    return classic_operations.finished(call, "DELETE_MODEL", name)


def _has_versions() -> ApiError:
    return wrong_state("name", "A model with versions cannot be deleted. Please delete the versions first.")
