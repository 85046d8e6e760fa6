"""ml: who may use models and jobs, kept and given back; and the regions that predictions are made in."""

from infra.emulator import permissions, policies
from infra.emulator.calls import Call, handles
from infra.emulator.classic_jobs import KIND as JOBS
from infra.emulator.classic_records import MODELS, REGIONS
from infra.emulator.errors import not_found
from infra.emulator.generic import page
from infra.emulator.resources import Json

MODELS_METHODS, JOBS_METHODS = "ml.projects.models", "ml.projects.jobs"
CAPABILITIES = [{"type": "BATCH_PREDICTION"}, {"type": "ONLINE_PREDICTION"}]


def _resource(call: Call) -> str:
    name = call.path["resource"]
    if not any(call.resources.get(kind, name) for kind in (MODELS, JOBS)):
        raise not_found(f'Field: resource Error: The resource "{name}" was not found.')
    return name


@handles(f"{MODELS_METHODS}.getIamPolicy", f"{JOBS_METHODS}.getIamPolicy")
def get_policy(call: Call) -> Json:
    """Return who may use a model or a job."""
    return policies.get_policy(call, _resource(call), {})


@handles(f"{MODELS_METHODS}.setIamPolicy", f"{JOBS_METHODS}.setIamPolicy")
def set_policy(call: Call) -> Json:
    """Say who may use a model or a job."""
    return policies.set_policy(call, _resource(call))


@handles(f"{MODELS_METHODS}.testIamPermissions", f"{JOBS_METHODS}.testIamPermissions")
def test_permissions(call: Call) -> Json:
    """Return which permissions the caller has."""
    return permissions.test_permissions(call)


@handles("ml.projects.locations.get")
def get_location(call: Call) -> Json:
    """Return a region and what it can do."""
    region = call.path["name"].rpartition("/")[2]
    if region not in REGIONS:
        raise not_found(f'Field: name Error: The location "{region}" was not found.')
    return {"name": call.path["name"], "capabilities": CAPABILITIES}


@handles("ml.projects.locations.list")
def list_locations(call: Call) -> Json:
    """List the regions."""
    names = [f"{call.path['parent']}/locations/{region}" for region in REGIONS]
    return page(call, [{"name": name, "capabilities": CAPABILITIES} for name in names], "locations")
