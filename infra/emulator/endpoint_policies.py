"""aiplatform endpoints' policies (v1beta1): who may use one. Strict mode asks it beside the project's."""

from infra.emulator import permissions, policies
from infra.emulator.calls import Call, handles
from infra.emulator.endpoints import get_endpoint
from infra.emulator.resources import Json

ENDPOINTS = "aiplatform.projects.locations.endpoints"


def _resource(call: Call) -> str:
    return str(get_endpoint(call.resources, call.path["resource"])["name"])


@handles(f"{ENDPOINTS}.getIamPolicy")
def get_policy(call: Call) -> Json:
    """Return who may use an endpoint."""
    return policies.get_policy(call, _resource(call), {})


@handles(f"{ENDPOINTS}.setIamPolicy")
def set_policy(call: Call) -> Json:
    """Say who may use an endpoint."""
    return policies.set_policy(call, _resource(call))


@handles(f"{ENDPOINTS}.testIamPermissions")
def test_permissions(call: Call) -> Json:
    """Return which permissions the caller has."""
    return permissions.test_permissions(call)
