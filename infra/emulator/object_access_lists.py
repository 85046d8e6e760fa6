"""Access lists of objects: what a new one gets, what is kept of it, how it is told, what strict mode makes of it.

An object that has the list of everything new keeps none; what is kept is not part of its resource.
"""

from collections.abc import Mapping
from urllib.parse import quote

from infra.emulator import storage_catalog as catalog
from infra.emulator.access_entries import OWNERS, Entries, described, member_of
from infra.emulator.access_rules import INSERT_OBJECT, WRITE_OBJECT, is_uniform, object_rules, uniform
from infra.emulator.callers import OWNER, caller_of
from infra.emulator.calls import Cloud
from infra.emulator.predefined_lists import PROJECT_PRIVATE
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Query, first
from infra.emulator.storage_resource import DEFAULT_LIST, LIST, OWNED_BY, object_etag

PREDEFINED = "predefinedAcl"  # among an upload's fields: the list that it names
SOMEBODY = "user-owner@local"  # who writes where nobody is asked who he is
ROLES = {"OWNER": "roles/storage.legacyObjectOwner", "READER": "roles/storage.legacyObjectReader"}


def asked_list(cloud: Cloud, query: Query, fields: Json, headers: Mapping[str, str]) -> Json:
    """Return what a request says of a new object's list, as fields of the object: who owns it, which list it names."""
    name = first(query, "predefinedAcl") or first(query, "destinationPredefinedAcl") or fields.get(PREDEFINED)
    return {OWNED_BY: _writer(cloud, headers), "acl": fields.get("acl"), PREDEFINED: name or ""}


def new_list(bucket: Json, fields: Json) -> Json:
    """Return what is kept of a new object's list and owner. Raises ApiError 400, 409, 412 for a list it cannot have."""
    owner = fields.get(OWNED_BY) or SOMEBODY
    sent, name = fields.get("acl"), fields.get(PREDEFINED) or ""
    if is_uniform(bucket):
        if sent or name:
            raise uniform(INSERT_OBJECT)
        return {} if owner == SOMEBODY else {OWNED_BY: owner}
    entries = object_rules(bucket, owner).asked(sent, name) or {**default_entries(bucket), owner: "OWNER"}
    return ({} if owner == SOMEBODY else {OWNED_BY: owner}) | ({} if entries == _usual(owner) else {LIST: entries})


def changed_list(bucket: Json, found: StoredObject, query: Query, body: Json) -> Json:
    """Return what is kept of the list that a request gives an object, nothing where it gives none."""
    sent, name = body.get("acl"), first(query, "predefinedAcl")
    if not sent and not name:
        return {}
    if is_uniform(bucket):
        raise uniform(WRITE_OBJECT)
    return {LIST: object_rules(bucket, owner_of(found)).asked(sent, name)}


def default_entries(bucket: Json) -> Entries:
    """Return the list that a bucket gives to new objects."""
    return dict(bucket.get(DEFAULT_LIST, PROJECT_PRIVATE))


def owner_of(found: StoredObject) -> str:
    """Return the entity that owns an object: who uploaded it."""
    return str(found.body.get(OWNED_BY, SOMEBODY))


def object_entries(found: StoredObject) -> Entries:
    """Return an object's list."""
    return dict(found.body.get(LIST) or _usual(owner_of(found)))


def object_entry(found: StoredObject, base: str, entity: str, role: str) -> Json:
    """Return an entry of an object's list as it is told."""
    place = f"{base}/storage/v1/b/{found.bucket}/o/{quote(found.name, safe='')}/acl/{quote(entity, safe='@')}"
    return {
        "kind": "storage#objectAccessControl",
        "id": f"{found.bucket}/{found.name}/{found.generation}/{entity}",
        "selfLink": f"{place}?generation={found.generation}",
        "bucket": found.bucket,
        "object": found.name,
        "generation": str(found.generation),
        **described(entity, role),
        "etag": object_etag(found),
    }


def object_lists(bucket: Json, found: StoredObject, base: str) -> Json:
    """Return owner and list, as an object's full resource has them; nothing where access is uniform."""
    if is_uniform(bucket):
        return {}
    acl = [object_entry(found, base, entity, role) for entity, role in object_entries(found).items()]
    return {"owner": {"entity": owner_of(found)}, "acl": acl}


def object_policy(cloud: Cloud, bucket: Json, name: str | None, generation: int | None) -> Json:
    """Return what an object's list allows as a policy; where there is no such object, what a new one's would."""
    found = catalog.find(cloud, bucket["name"], name, generation) if name else None
    entries = object_entries(found) if found else default_entries(bucket)
    return {"bindings": [{"role": ROLES[role], "members": [member_of(entity)]} for entity, role in entries.items()]}


def _usual(owner: str) -> Entries:
    return {**PROJECT_PRIVATE, owner: "OWNER"}


def _writer(cloud: Cloud, headers: Mapping[str, str]) -> str:
    """Return who writes an object; what the public may write belongs to the project, as the service has it."""
    caller = caller_of(headers) or OWNER
    if caller.member:
        return f"user-{caller.member.partition(':')[2].lower()}"
    return OWNERS if cloud.strict else SOMEBODY
