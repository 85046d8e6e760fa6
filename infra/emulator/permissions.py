"""Which permission a method asks for, and whether a caller has it by the policies of project and bucket."""

from collections.abc import Iterable, Iterator, Mapping

from infra.emulator.callers import OWNER, Caller, caller_of
from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import invalid
from infra.emulator.policies import KIND as PROJECT_POLICIES
from infra.emulator.projects import project_id
from infra.emulator.resources import Json
from infra.emulator.roles import BASIC, allows

BUCKET_POLICIES, BUCKETS = "storage.policies", "storage.buckets"
CHECKED = ("aiplatform", "storage")
# Methods whose permission is not their own name; all other verbs are their permission's.
VERBS = {
    "insert": "create",
    "patch": "update",
    "upload": "upload",
    "mergeVersionAliases": "update",
    "updateExplanationDataset": "update",
    "deployModel": "deploy",
    "undeployModel": "undeploy",
    "mutateDeployedModel": "deploy",
    "rawPredict": "predict",
    "directPredict": "predict",
    "explain": "explain",
    "listVersions": "list",
    "deleteVersion": "delete",
    "copy": "create",
    "compose": "create",
    "rewrite": "create",
    "watchAll": "list",
    "bulkRestore": "restore",
    "lockRetentionPolicy": "update",
    "testIamPermissions": "",  # everybody may ask
    "wait": "get",
}


def permission_of(method: str) -> str:
    """Return the permission of a method of storage or aiplatform, empty where it needs none."""
    api, *_, kind, verb = method.split(".")
    if api not in CHECKED or kind in ("operations", "locations", "serviceAccount"):
        return ""
    wanted = VERBS.get(verb, verb)
    return f"{api}.{kind}.{wanted}" if wanted else ""


def project_of(cloud: Cloud, method: str, path: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the id of the project that a call is about: named in its path, its query, or that of its bucket."""
    named = next((value.split("/")[1] for value in path.values() if value.startswith("projects/")), "")
    named = named or path.get("project") or path.get("projectsId") or query.get("project", "")
    if not named and method.startswith("storage.") and "bucket" in path:
        bucket = cloud.resources.get(BUCKETS, path["bucket"]) or {}
        named = str(bucket.get("project") or "")
    return project_id(cloud, named) if named else ""


def has(cloud: Cloud, caller: Caller, permission: str, project: str, bucket: str = "") -> bool:
    """Tell whether a caller has a permission on a project, or on one of its buckets."""
    if caller.owner:
        return True
    groups = _groups(cloud, caller, project)
    policies = [cloud.resources.get(PROJECT_POLICIES, f"projects/{project}")]
    if bucket:
        policies.append(cloud.resources.get(BUCKET_POLICIES, bucket) or _first(groups))
    return any(allows(role, permission) for policy in policies for role in _roles(policy, groups))


def held(call: Call, asked: Iterable[str], project: str, bucket: str = "") -> list[str]:
    """Return which of the permissions the caller has: all, but for those that strict mode checks and refuses."""
    caller = caller_of(call.headers) or OWNER  # who comes this far by another token than a name gave the cloud's own
    checked = call.cloud.strict and not caller.owner
    return [
        one
        for one in asked
        if not checked or one.partition(".")[0] not in CHECKED or has(call.cloud, caller, one, project, bucket)
    ]


def test_permissions(call: Call, project: str = "") -> Json:
    """Answer `testIamPermissions`: which of the asked permissions the caller has in the project of what it asks about.

    Raises 400 for patterns.
    """
    asked = call.body.get("permissions") or call.query.get("permissions") or []
    if any("*" in permission for permission in asked):
        raise invalid("Permissions with wildcards are not allowed.", field_path="permissions")
    found = held(call, asked, project or project_of(call.cloud, call.method, call.path, {}))
    return {"permissions": found} if found else {}


def _groups(cloud: Cloud, caller: Caller, project: str) -> frozenset[str]:
    """Return the members of policies that a caller is: itself, everybody, what the project's basic roles make it."""
    known = {"allUsers"} | ({caller.member, "allAuthenticatedUsers"} if caller.member else set())
    roles = _roles(cloud.resources.get(PROJECT_POLICIES, f"projects/{project}"), frozenset(known))
    return frozenset(known | {BASIC[role] for role in roles if role in BASIC})


def _roles(policy: Json | None, groups: frozenset[str]) -> Iterator[str]:
    """Yield the roles that a policy gives; one under a condition gives nothing here."""
    for binding in (policy or {}).get("bindings", []):
        if not binding.get("condition") and any(_is(member, groups) for member in binding.get("members", [])):
            yield str(binding["role"])


def _is(member: str, groups: frozenset[str]) -> bool:
    kind = member.partition(":")[0]
    return member in groups or (kind in BASIC.values() and kind in groups)


def _first(groups: frozenset[str]) -> Json:
    """Return the policy of a bucket that nobody has set one for."""
    owners = [group for group in ("projectOwner", "projectEditor") if group in groups]
    readers = [group for group in ("projectViewer",) if group in groups]
    roles = {"roles/storage.legacyBucketOwner": owners, "roles/storage.legacyBucketReader": readers}
    objects = {"roles/storage.legacyObjectOwner": owners, "roles/storage.legacyObjectReader": readers}
    return {"bindings": [{"role": role, "members": members} for role, members in {**roles, **objects}.items()]}
