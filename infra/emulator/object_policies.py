"""IAM policies of objects: their access lists as bindings of the two legacy roles, read, replaced and asked.

Only where access is not uniform; conditions and other roles are for buckets.
"""

from typing import Any

from infra.emulator import storage_catalog as catalog
from infra.emulator.access_entries import Entries, entity_of_member, member_of, stronger
from infra.emulator.access_rules import is_uniform, object_rules
from infra.emulator.bucket_policies import checked_policy
from infra.emulator.calls import Call, handles
from infra.emulator.errors import ApiError, invalid
from infra.emulator.object_access_lists import ROLES, object_entries, owner_of
from infra.emulator.objects import require_bucket, require_object
from infra.emulator.permissions import held, project_of
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import integer
from infra.emulator.storage_resource import LIST, object_etag

DISABLED = (
    "Object policies are disabled for bucket '{}' when uniform bucket-level access is enabled."
    " Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access."
)
LEGACY = {role: kind for kind, role in ROLES.items()}  # a role of IAM -> a role of lists


@handles("storage.objects.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return an object's list as a policy."""
    return _policy(_found(call)[1])


@handles("storage.objects.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace an object's list by the body's bindings; an etag that is not the present one is refused with 412."""
    with call.resources.transaction():
        bucket, found = _found(call)
        if call.body.get("etag") not in {None, "", object_etag(found)}:
            msg = "The policy was changed since it was read. Read it again, then write."
            raise ApiError(412, msg, reason="conditionNotMet")
        rules = object_rules(bucket, owner_of(found))
        entries = _entries(checked_policy(call.body)["bindings"])
        rules.check(entries)
        counted = {"metageneration": str(found.metageneration + 1), "updated": call.cloud.now()}
        found = catalog.update(call.cloud, found, {**found.body, LIST: rules.owned(entries), **counted})
    return _policy(found)


@handles("storage.objects.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on an object: by project, bucket and the object's own list."""
    generation = integer(call.query, "generation")
    found = require_object(call.cloud, call.path["bucket"], call.path["object"], generation)
    project = project_of(call.cloud, call.method, call.path, {})
    about: dict[str, Any] = {"bucket": found.bucket, "name": found.name, "generation": found.generation}
    names = held(call, call.query.get("permissions", []), project, **about)
    return {"kind": "storage#testIamPermissionsResponse", **({"permissions": names} if names else {})}


def _found(call: Call) -> tuple[Json, StoredObject]:
    """Return bucket and object of a call. Raises ApiError 404, and 400 where access is uniform."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    found = require_object(call.cloud, bucket["name"], call.path["object"], integer(call.query, "generation"))
    if is_uniform(bucket):
        raise invalid(DISABLED.format(bucket["name"]), reason="invalid")
    return bucket, found


def _policy(found: StoredObject) -> Json:
    bindings: dict[str, list[str]] = {}
    for entity, role in object_entries(found).items():
        bindings.setdefault(ROLES[role], []).append(member_of(entity))
    place = f"projects/_/buckets/{found.bucket}/objects/{found.name}#{found.generation}"
    listed = [{"role": role, "members": members} for role, members in bindings.items()]
    return {"kind": "storage#policy", "resourceId": place, "version": 1, "etag": object_etag(found), "bindings": listed}


def _entries(bindings: list[Json]) -> Entries:
    """Return bindings as a list; of two for one entity the stronger counts. Raises ApiError 400."""
    entries: Entries = {}
    for binding in bindings:
        if binding["role"] not in LEGACY or binding.get("condition"):
            msg = f"Role {binding['role']!r} is no role of objects without a condition: {' or '.join(LEGACY)}."
            raise invalid(msg, reason="invalid")
        for member in binding["members"]:
            entity = entity_of_member(member)
            if not entity:
                raise invalid(f"Invalid argument: {member!r} cannot stand in an object's list.", reason="invalid")
            entries[entity] = stronger(entries, entity, LEGACY[binding["role"]])
    return entries
