"""artifactregistry: repositories and their IAM policies. The artifacts themselves are not kept."""

import re
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import invalid, not_found
from infra.emulator.operations import finished
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import forget_policy, get_policy, set_policy

Json = dict[str, Any]

KIND = "artifactregistry.repositories"
REPOSITORY_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
NOT_FOUND, EXISTS = "Requested entity was not found.", "the repository already exists"
MUTABLE = (
    "cleanupPolicies",
    "cleanupPolicyDryRun",
    "description",
    "dockerConfig",
    "labels",
    "mavenConfig",
    "platformLogsConfig",
    "remoteRepositoryConfig",
    "virtualRepositoryConfig",
    "vulnerabilityScanningConfig",
)
UNSET_POLICY: Json = {"version": 1}


@handles("artifactregistry.projects.locations.repositories.create")
def create(call: Call) -> Json:
    """Create a repository under `repositoryId`."""
    identifier = call.parameter("repositoryId")
    if not REPOSITORY_ID.fullmatch(identifier):
        what = "1 to 63 lower case letters, digits and hyphens, a letter first"
        raise invalid(f"Invalid repository_id {identifier!r}: {what}.", field_path="repository_id")
    if call.body.get("format") in (None, "FORMAT_UNSPECIFIED"):
        raise invalid("format must be set, for example to DOCKER.", field_path="repository.format")
    now = call.cloud.now()
    name = f"{call.path['parent']}/repositories/{identifier}"
    body = {"mode": "STANDARD_REPOSITORY", **call.body, "name": name, "createTime": now, "updateTime": now}
    with call.resources.transaction():
        generic.create(call, KIND, name, body, message=EXISTS)
        return finished(call, "OperationMetadata", "Repository", body)


@handles("artifactregistry.projects.locations.repositories.get")
def get(call: Call) -> Json:
    """Return one repository."""
    return generic.get(call, KIND, call.path["name"], message=NOT_FOUND)


@handles("artifactregistry.projects.locations.repositories.list")
def list_(call: Call) -> Json:
    """List a location's repositories."""
    found = [body for _, body in call.resources.list(KIND, f"{call.path['parent']}/repositories/")]
    taken = generic.filtered(found, call.parameter("filter"), "name", "format", "mode")
    return generic.page(call, generic.ordered(taken, call.parameter("orderBy")), "repositories")


@handles("artifactregistry.projects.locations.repositories.patch")
def patch(call: Call) -> Json:
    """Change a repository; answers the repository itself."""
    name = call.path["name"]
    with call.resources.transaction():
        body = generic.get(call, KIND, name, message=NOT_FOUND)
        changes = {field: value for field, value in call.body.items() if field in MUTABLE}
        changed = generic.patched(body, changes, call.parameter("updateMask"), mutable=MUTABLE)
        changed["updateTime"] = call.cloud.now()
        call.resources.put(KIND, name, changed)
    return changed


@handles("artifactregistry.projects.locations.repositories.delete")
def delete(call: Call) -> Json:
    """Delete a repository and its policy."""
    with call.resources.transaction():
        generic.delete(call, KIND, call.path["name"], message=NOT_FOUND)
        forget_policy(call, call.path["name"])
        return finished(call, "OperationMetadata")


@handles("artifactregistry.projects.locations.repositories.packages.tags.get")
def get_tag(call: Call) -> Json:
    """Refuse: no image is ever pushed here, so no tag is there."""
    generic.get(call, KIND, call.path["name"].partition("/packages/")[0], message=NOT_FOUND)
    raise not_found(NOT_FOUND)


def _repository(call: Call) -> str:
    return str(generic.get(call, KIND, call.path["resource"], message=NOT_FOUND)["name"])


@handles("artifactregistry.projects.locations.repositories.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return who may use a repository."""
    return get_policy(call, _repository(call), UNSET_POLICY)


@handles("artifactregistry.projects.locations.repositories.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace who may use a repository."""
    return set_policy(call, _repository(call))


@handles("artifactregistry.projects.locations.repositories.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on a repository."""
    _repository(call)
    return test_permissions(call)
