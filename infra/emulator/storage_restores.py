"""Soft-deleted objects and buckets back: `restore`."""

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Call, handles
from infra.emulator.errors import already_exists, invalid, not_found
from infra.emulator.object_access_lists import asked_list, object_entries
from infra.emulator.objects import BUCKETS, Placing, discarding, find_bucket, place, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import Blob, Sums
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import conditions_of, flag, integer
from infra.emulator.storage_customer_keys import FIELD
from infra.emulator.storage_projections import shown_bucket, shown_object
from infra.emulator.storage_resource import WRITABLE
from infra.emulator.storage_soft_delete import DELETED_BUCKETS, grave_of

GRAVE = ("softDeleteTime", "hardDeleteTime")


@handles("storage.objects.restore")
def restore(call: Call) -> Json:
    """Make a soft-deleted generation a new live one; the soft-deleted one stays until its time is over."""
    cloud, path = call.cloud, call.path
    generation = _generation(call)
    with discarding(cloud) as freed, cloud.resources.transaction():
        found = require_object(cloud, path["bucket"], path["object"], generation, soft_deleted=True)
        made = bring_back(call, found, freed, with_list=flag(call.query, "copySourceAcl"))
    return shown_object(call, made)


def bring_back(call: Call, found: StoredObject, freed: list[str], *, with_list: bool) -> StoredObject:
    """Make a soft-deleted generation a live one inside of the caller's transaction, under the call's preconditions."""
    kept = {name: value for name, value in found.body.items() if name in {*WRITABLE, "componentCount", FIELD}}
    listed = _source_list(found) if with_list else {}
    kept |= asked_list(call.cloud, call.query, listed, call.headers)
    to = Placing(call.cloud, found.bucket, found.name, kept, conditions_of(call.query, headers=call.headers))
    sums = Sums(found.body.get("md5Hash", ""), found.body["crc32c"])
    return place(to, Blob(found.blob, found.path, found.size, sums), freed)


@handles("storage.buckets.restore")
def restore_bucket(call: Call) -> Json:
    """Bring a soft-deleted bucket back, empty; its objects can then be restored one by one."""
    cloud, name = call.cloud, call.path["bucket"]
    key = grave_of(name, _generation(call))
    with cloud.resources.transaction():
        bucket = cloud.resources.get(DELETED_BUCKETS, key)
        if bucket is None:
            msg = f"No soft-deleted bucket {name!r} of generation {call.parameter('generation')}."
            raise not_found(msg, reason="notFound")
        if find_bucket(cloud, name):
            msg = f"A live bucket named {name!r} exists: the soft-deleted one cannot be restored while it does."
            raise already_exists(msg, reason="conflict")
        restored = {field: value for field, value in bucket.items() if field not in GRAVE}
        restored |= {"metageneration": str(int(bucket["metageneration"]) + 1), "updated": cloud.now()}
        cloud.resources.put(BUCKETS, name, restored)
        cloud.resources.delete(DELETED_BUCKETS, key)
        catalog.rename_bucket(cloud, key, name)
    return shown_bucket(call, restored)


def _source_list(found: StoredObject) -> Json:
    return {"acl": [{"entity": entity, "role": role} for entity, role in object_entries(found).items()]}


def _generation(call: Call) -> int:
    generation = integer(call.query, "generation")
    if generation is None:
        msg = "Required parameter: generation"
        raise invalid(msg, reason="required")
    return generation
