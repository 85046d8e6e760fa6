"""aiplatform models' evaluations and policies: kept and given back as they were sent; nothing here is computed."""

from infra.emulator import generic, permissions, policies
from infra.emulator.calls import Call, handles
from infra.emulator.model_versions import find_version
from infra.emulator.resources import Json
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_rules import REQUIRED, found_errors, numeric_id

KIND = "aiplatform.modelEvaluations"
LISTING = Listing("modelEvaluations", filters={"displayName": lambda body: body.get("displayName")})
MODELS = "aiplatform.projects.locations.models"


@handles(f"{MODELS}.evaluations.import")
def import_evaluation(call: Call) -> Json:
    """Keep an evaluation that was made elsewhere, of a model's version."""
    sent = call.body.get("modelEvaluation") or {}
    if not sent.get("metricsSchemaUri"):
        raise found_errors([("model_evaluation.metrics_schema_uri", REQUIRED)])
    version = find_version(call.resources, call.path["parent"])
    name = f"{version.model}/evaluations/{numeric_id(call)}"
    body = {**sent, "name": name, "createTime": call.cloud.now()}
    call.resources.put(KIND, name, {"version": version.id, "body": body})
    return body


@handles(f"{MODELS}.evaluations.get")
def get_evaluation(call: Call) -> Json:
    """Return an evaluation."""
    name = call.path["name"]
    record = generic.get(call, KIND, name, message=f"The ModelEvaluation does not exist: {name}")
    return dict(record["body"])


@handles(f"{MODELS}.evaluations.list")
def list_evaluations(call: Call) -> Json:
    """List the evaluations of a model's version, without one of the default version."""
    version = find_version(call.resources, call.path["parent"])
    records = [record for _, record in call.resources.list(KIND, f"{version.model}/evaluations/")]
    return list_page(call, LISTING, [record["body"] for record in records if record["version"] == version.id])


def forget(call: Call, model: str) -> None:
    """Drop what hangs on a model that is deleted."""
    for name, _ in call.resources.list(KIND, f"{model}/evaluations/"):
        call.resources.delete(KIND, name)
    policies.forget_policy(call, model)


def _resource(call: Call) -> str:
    return find_version(call.resources, call.path["resource"]).model


@handles(f"{MODELS}.getIamPolicy")
def get_policy(call: Call) -> Json:
    """Return who may use a model."""
    return policies.get_policy(call, _resource(call), {})


@handles(f"{MODELS}.setIamPolicy")
def set_policy(call: Call) -> Json:
    """Say who may use a model."""
    return policies.set_policy(call, _resource(call))


@handles(f"{MODELS}.testIamPermissions")
def test_permissions(call: Call) -> Json:
    """Return which permissions the caller has."""
    return permissions.test_permissions(call)
