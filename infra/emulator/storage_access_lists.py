"""Access control lists, one entry at a time: of a bucket, of an object, and of a bucket's new objects."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from infra.emulator import access_rules
from infra.emulator import storage_catalog as catalog
from infra.emulator.access_entries import ENTITY, Entries, entity_of
from infra.emulator.bucket_access_lists import bucket_entries, bucket_entry, default_entry, put_bucket_entries
from infra.emulator.calls import Call, handles
from infra.emulator.errors import not_found
from infra.emulator.object_access_lists import default_entries, object_entries, object_entry, owner_of
from infra.emulator.objects import BUCKETS, require_bucket, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import condition_not_met, integer
from infra.emulator.storage_resource import DEFAULT_LIST, LIST, base_of

KINDS = {"bucketAccessControls": "bucket", "defaultObjectAccessControls": "object", "objectAccessControls": "object"}


@dataclass(frozen=True)
class AccessList:
    """A list: its entries, what it may hold, how an entry is told, and how a changed list is stored."""

    entries: Entries
    rules: access_rules.Rules
    told: Callable[[str, str], Json]
    store: Callable[[Entries], None]


@handles(*(f"storage.{kind}.list" for kind in KINDS))
def list_entries(call: Call) -> Json | Response:
    """List the entries."""
    metageneration = require_bucket(call.cloud, call.path["bucket"])["metageneration"]
    if integer(call.query, "ifMetagenerationMatch") not in {None, int(metageneration)}:
        raise condition_not_met()
    if integer(call.query, "ifMetagenerationNotMatch") == int(metageneration):
        return Response(status_code=304)
    found = _list(call)
    items = [found.told(entity, role) for entity, role in found.entries.items()]
    return {"kind": f"storage#{KINDS[_kind(call)]}AccessControls", **({"items": items} if items else {})}


@handles(*(f"storage.{kind}.get" for kind in KINDS))
def get_entry(call: Call) -> Json:
    """Return an entry. Raises ApiError 404."""
    found = _list(call)
    entity = _present(call, found)
    return found.told(entity, found.entries[entity])


@handles(*(f"storage.{kind}.insert" for kind in KINDS))
def insert_entry(call: Call) -> Json:
    """Add an entry, or give another role to whom the list names already."""
    return _granted(call, str(call.body.get("entity") or ""), str(call.body.get("role") or ""))


@handles(*(f"storage.{kind}.{verb}" for kind in KINDS for verb in ("patch", "update")))
def change_entry(call: Call) -> Json:
    """Give an entity a role; it need not be in the list, as with the service. A patch without a role changes none."""
    role = str(call.body.get("role") or "")
    if not role and call.method.endswith(".patch"):
        found = _list(call)
        role = found.entries[_present(call, found)]
    return _granted(call, call.path["entity"], role)


@handles(*(f"storage.{kind}.delete" for kind in KINDS))
def delete_entry(call: Call) -> None:
    """Remove an entry. Raises ApiError 404 where there is none, 403 where it is the owner's."""
    with call.resources.transaction():
        found = _list(call)
        entity = _present(call, found)
        if entity == found.rules.owner:
            raise access_rules.owner_stays()
        found.store({other: role for other, role in found.entries.items() if other != entity})


def _granted(call: Call, entity: str, role: str) -> Json:
    with call.resources.transaction():
        found = _list(call)
        granted = found.rules.sent([{"entity": entity, "role": role}])
        found.store(found.rules.owned({**found.entries, **granted}))
        told = _list(call).told
    return next(told(entity, role) for entity, role in granted.items())


def _list(call: Call) -> AccessList:
    """Return the list that a call is about. Raises ApiError 404, or 400 where access is uniform."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    found = None
    if _kind(call) == "objectAccessControls":
        found = require_object(call.cloud, bucket["name"], call.path["object"], integer(call.query, "generation"))
    if access_rules.is_uniform(bucket):
        raise access_rules.uniform(_refusal(call.method))
    if found:
        return _of_object(call, bucket, found)
    return (_of_bucket if _kind(call) == "bucketAccessControls" else _of_new_objects)(call, bucket)


def _of_object(call: Call, bucket: Json, found: StoredObject) -> AccessList:
    def store(entries: Entries) -> None:
        counted = {"metageneration": str(found.metageneration + 1), "updated": call.cloud.now()}
        catalog.update(call.cloud, found, {**found.body, LIST: entries, **counted})

    def told(entity: str, role: str) -> Json:
        return object_entry(found, base_of(call), entity, role)

    return AccessList(object_entries(found), access_rules.object_rules(bucket, owner_of(found)), told, store)


def _of_bucket(call: Call, bucket: Json) -> AccessList:
    def store(entries: Entries) -> None:
        put_bucket_entries(call.cloud, bucket["name"], entries)
        _count(call, bucket)

    def told(entity: str, role: str) -> Json:
        return bucket_entry(bucket, base_of(call), entity, role)

    return AccessList(bucket_entries(call.cloud, bucket["name"]), access_rules.bucket_rules(bucket), told, store)


def _of_new_objects(call: Call, bucket: Json) -> AccessList:
    def store(entries: Entries) -> None:
        _count(call, {**bucket, DEFAULT_LIST: entries})

    def told(entity: str, role: str) -> Json:
        return default_entry(bucket, entity, role)

    return AccessList(default_entries(bucket), access_rules.object_rules(bucket), told, store)


def _count(call: Call, bucket: Json) -> None:
    """Store a bucket with its metageneration counted up."""
    counted = {"metageneration": str(int(bucket["metageneration"]) + 1), "updated": call.cloud.now()}
    call.resources.put(BUCKETS, bucket["name"], {**bucket, **counted})


def _present(call: Call, found: AccessList) -> str:
    """Return the entity of the path as the list has it. Raises ApiError 404."""
    text = call.path["entity"]
    entity = entity_of(text) if ENTITY.fullmatch(text) else text
    if entity not in found.entries:
        raise not_found("The specified key does not exist.", reason="notFound")
    return entity


def _kind(call: Call) -> str:
    return call.method.split(".")[1]


def _refusal(method: str) -> str:
    """Return the service's words where access is uniform, which depend on the method."""
    _, kind, verb = method.split(".")
    of_object = kind == "objectAccessControls"
    if verb in {"get", "list"}:
        return access_rules.READ_OBJECT if of_object else access_rules.READ_BUCKET
    if of_object:
        return access_rules.INSERT_OBJECT if verb == "insert" else access_rules.WRITE_OBJECT
    return access_rules.WRITE_BUCKET
