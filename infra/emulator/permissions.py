"""Which permission a method asks for, and whether a caller has it by the policies of project and bucket."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.emulator import clock
from infra.emulator.access_rules import is_prevented, is_uniform
from infra.emulator.callers import OWNER, PUBLIC, Caller, caller_of
from infra.emulator.calls import Call, Cloud
from infra.emulator.conditions import Request, UnknownConditionError, holds
from infra.emulator.errors import invalid
from infra.emulator.object_access_lists import object_policy
from infra.emulator.policies import KIND as PROJECT_POLICIES
from infra.emulator.projects import project_id
from infra.emulator.resources import Json
from infra.emulator.roles import BASIC, allows

BUCKET_POLICIES, BUCKETS, CUSTOM_ROLES = "storage.policies", "storage.buckets", "iam.roles"
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
    "directRawPredict": "predict",
    "serverStreamingPredict": "predict",
    "streamRawPredict": "predict",
    "explain": "explain",
    "listVersions": "list",
    "deleteVersion": "delete",
    "copy": "create",
    "compose": "create",
    "rewrite": "create",
    "watchAll": "list",
    "bulkRestore": "restore",
    "deleteRecursive": "delete",
    "lockRetentionPolicy": "update",
    "testIamPermissions": "",  # everybody may ask
    "wait": "get",
}


def permission_of(method: str) -> str:
    """Return the permission of a method of storage or aiplatform, empty where it needs none."""
    api, *_, kind, verb = method.split(".")
    if method.startswith("storage.buckets.operations."):
        return f"storage.bucketOperations.{verb}"
    if api not in CHECKED or kind in ("operations", "locations", "serviceAccount"):
        return ""
    wanted = VERBS.get(verb, verb)
    return f"{api}.{kind}.{wanted}" if wanted else ""


def project_of(cloud: Cloud, method: str, path: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the id of the project that a call is about: named in its path, its query, or that of its bucket."""
    named = next((value.split("/")[1] for value in path.values() if value.startswith("projects/")), "")
    named = named or path.get("project") or path.get("projectId") or query.get("project", "")
    bucket = path.get("bucket") or path.get("destinationBucket", "")
    if not named and method.startswith("storage.") and bucket:
        named = str((cloud.resources.get(BUCKETS, bucket) or {}).get("project") or "")
    return project_id(cloud, named) if named else ""


@dataclass(frozen=True)
class Access:
    """A permission that is wanted, and on what: a project, one of its buckets, an object, a resource of Vertex AI."""

    permission: str
    project: str
    bucket: str = ""
    name: str | None = ""  # the object's; None: not known yet, and asked again when it is
    list_prefix: str | None = None
    generation: int | None = None  # the object's; None: the live one
    resource: str = ""  # of Vertex AI, by its full name: a model or an endpoint may have a policy of its own

    def request(self, now: datetime) -> Request:
        """Return what conditions may ask of it; of resources only storage's have names that conditions know."""
        if not self.bucket:
            return Request("", "", "", now)
        kind, path = ("Object", f"/objects/{self.name}") if self.name else ("Bucket", "")
        place = f"projects/_/buckets/{self.bucket}{path}"
        return Request(place, f"storage.googleapis.com/{kind}", "storage.googleapis.com", now, self.list_prefix)


def has(cloud: Cloud, caller: Caller, wanted: Access, unread: list[str] | None = None) -> bool:
    """Tell whether a caller has a permission; `unread` is told the conditions that could not be judged."""
    if caller.owner:
        return True
    bucket = cloud.resources.get(BUCKETS, wanted.bucket) if wanted.bucket else None
    members = _members(cloud, caller, wanted) - (PUBLIC if bucket and is_prevented(bucket) else frozenset())
    return any(
        _allows(cloud, binding["role"], wanted.permission) and _applies(cloud, binding, wanted, unread)
        for policy in _policies(cloud, wanted, bucket, members)
        for binding in _bindings(policy, members)
    )


def held(call: Call, asked: Iterable[str], project: str, bucket: str = "", **about: Any) -> list[str]:
    """Return which of the permissions the caller has: all, but for those that strict mode checks and refuses.

    `about` is what else an Access says: an object's name and generation, a resource of Vertex AI.
    """
    caller = caller_of(call.headers) or OWNER  # who comes this far by another token than a name gave the cloud's own
    checked = call.cloud.strict and not caller.owner
    return [
        one
        for one in asked
        if not checked
        or one.partition(".")[0] not in CHECKED
        or has(call.cloud, caller, Access(one, project, bucket, **about))
    ]


def test_permissions(call: Call, project: str = "") -> Json:
    """Answer `testIamPermissions`: which of the asked permissions the caller has in the project of what it asks about.

    Raises 400 for patterns.
    """
    asked = call.body.get("permissions") or call.query.get("permissions") or []
    if any("*" in permission for permission in asked):
        raise invalid("Permissions with wildcards are not allowed.", field_path="permissions")
    resource = call.path.get("resource", "").partition("@")[0]
    found = held(call, asked, project or project_of(call.cloud, call.method, call.path, {}), resource=resource)
    return {"permissions": found} if found else {}


def _policies(cloud: Cloud, wanted: Access, bucket: Json | None, members: frozenset[str]) -> Iterator[Json | None]:
    """Yield the policies that may give a permission: of project, resource and bucket, and what an object's list is."""
    yield cloud.resources.get(PROJECT_POLICIES, f"projects/{wanted.project}")
    if wanted.resource:
        yield cloud.resources.get(PROJECT_POLICIES, wanted.resource)
    if not wanted.bucket:
        return
    lists = bucket is not None and not is_uniform(bucket)
    yield cloud.resources.get(BUCKET_POLICIES, wanted.bucket) or _first(members, lists=lists)
    if bucket and lists and wanted.name != "" and wanted.permission.startswith("storage.objects."):
        yield object_policy(cloud, bucket, wanted.name, wanted.generation)


def _allows(cloud: Cloud, role: str, permission: str) -> bool:
    """Tell whether a role has a permission: one of Google's by its table, a project's own by what it includes."""
    if role.startswith("roles/"):
        return allows(role, permission)
    own = cloud.resources.get(CUSTOM_ROLES, role) or {"deleted": True}
    usable = not own.get("deleted") and own.get("stage") != "DISABLED"
    return usable and permission in own.get("includedPermissions", [])


def _applies(cloud: Cloud, binding: Json, wanted: Access, unread: list[str] | None) -> bool:
    """Tell whether a binding's condition holds; one that cannot be judged here gives nothing."""
    expression = (binding.get("condition") or {}).get("expression", "")
    if not binding.get("condition") or wanted.name is None:
        return True
    try:
        return holds(expression, wanted.request(clock.now(cloud.resources)))
    except UnknownConditionError:
        if unread is not None:
            unread.append(expression)
        return False


def _members(cloud: Cloud, caller: Caller, wanted: Access) -> frozenset[str]:
    """Return the members of policies that a caller is: itself, everybody, what the project's basic roles make it."""
    known = caller.members
    bindings = _bindings(cloud.resources.get(PROJECT_POLICIES, f"projects/{wanted.project}"), known)
    roles = {binding["role"] for binding in bindings if _applies(cloud, binding, wanted, None)}
    return known | {BASIC[role] for role in roles if role in BASIC}


def _bindings(policy: Json | None, members: frozenset[str]) -> Iterator[Json]:
    """Yield the bindings of a policy that name one of these members."""
    for binding in (policy or {}).get("bindings", []):
        if any(_is(member, members) for member in binding.get("members", [])):
            yield binding


def _is(member: str, members: frozenset[str]) -> bool:
    kind = member.partition(":")[0]
    return member in members or (kind in BASIC.values() and kind in members)


def _first(members: frozenset[str], *, lists: bool) -> Json:
    """Return the policy of a bucket that nobody has set one for; where there are lists, objects are left to them."""
    owners = [group for group in ("projectOwner", "projectEditor") if group in members]
    readers = [group for group in ("projectViewer",) if group in members]
    roles = {"roles/storage.legacyBucketOwner": owners, "roles/storage.legacyBucketReader": readers}
    objects = {"roles/storage.legacyObjectOwner": owners, "roles/storage.legacyObjectReader": readers}
    given = roles if lists else {**roles, **objects}
    return {"bindings": [{"role": role, "members": members} for role, members in given.items()]}
