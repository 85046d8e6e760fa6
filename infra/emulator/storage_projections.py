"""Resources of buckets and objects as a request wants them: `projection=full` adds owner and access lists."""

from infra.emulator.bucket_access_lists import bucket_lists
from infra.emulator.calls import Call
from infra.emulator.object_access_lists import object_lists
from infra.emulator.objects import require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Query, first
from infra.emulator.storage_resource import base_of, bucket_resource, object_resource


def is_full(query: Query, *, unnamed: bool = False) -> bool:
    """Tell whether a request wants owner and lists; `unnamed` is what a request means that names no projection."""
    return (first(query, "projection") or ("full" if unnamed else "noAcl")) == "full"


def shown_object(call: Call, found: StoredObject, *, unnamed: bool = False) -> Json:
    """Return an object's resource as a call wants it."""
    bucket, base = require_bucket(call.cloud, found.bucket), base_of(call)
    resource = object_resource(found, base, bucket, call.headers)
    return {**resource, **(object_lists(bucket, found, base) if is_full(call.query, unnamed=unnamed) else {})}


def shown_bucket(call: Call, bucket: Json, *, unnamed: bool = False) -> Json:
    """Return a bucket's resource as a call wants it."""
    base = base_of(call)
    resource = bucket_resource(bucket, base)
    return {**resource, **(bucket_lists(call.cloud, bucket, base) if is_full(call.query, unnamed=unnamed) else {})}
