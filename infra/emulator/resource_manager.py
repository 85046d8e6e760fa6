"""cloudresourcemanager: projects and their IAM policies, in the forms of version 1 and 3."""

import re
from typing import Any

from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.generic import filtered, page
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import get_policy, set_policy
from infra.emulator.projects import created, known, project_id

Json = dict[str, Any]

EMPTY_POLICY: Json = {"version": 3, "bindings": []}


def _project(call: Call, project: str) -> Json:
    since = created(call.cloud, project)
    if call.version == "v1":
        return {
            "projectNumber": PROJECT_NUMBER,
            "projectId": project,
            "name": project,
            "lifecycleState": "ACTIVE",
            "createTime": since,
            "labels": {},
        }
    return {
        "name": f"projects/{PROJECT_NUMBER}",
        "projectId": project,
        "displayName": project,
        "state": "ACTIVE",
        "createTime": since,
        "updateTime": since,
        "etag": "W/local",
        "labels": {},
    }


@handles("cloudresourcemanager.projects.get")
def get(call: Call) -> Json:
    """Return a project: each one exists."""
    return _project(call, project_id(call.cloud, call.path.get("projectId") or call.path["name"]))


@handles("cloudresourcemanager.projects.list", "cloudresourcemanager.projects.search")
def list_(call: Call) -> Json:
    """List the projects that calls have named so far; none of them stands below an organization or folder."""
    if call.parameter("parent"):
        return {}
    wanted = re.sub(r"\bid\b", "projectId", call.parameter("query") or call.parameter("filter"))
    projects = [_project(call, project) for project in known(call.cloud)]
    fields = ("projectId", "name", "displayName", "state", "lifecycleState")
    return page(call, filtered(projects, wanted, *fields), "projects")


def _policy_of(call: Call) -> str:
    return f"projects/{project_id(call.cloud, call.path['resource'])}"


@handles("cloudresourcemanager.projects.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return a project's policy."""
    return get_policy(call, _policy_of(call), EMPTY_POLICY)


@handles("cloudresourcemanager.projects.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace a project's policy."""
    return set_policy(call, _policy_of(call))


@handles("cloudresourcemanager.projects.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has."""
    return test_permissions(call, project_id(call.cloud, call.path["resource"]))
