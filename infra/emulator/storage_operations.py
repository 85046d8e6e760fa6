"""Long-running operations of buckets: made, read, listed and cancelled as storage tells them.

What they do is done when they are made; with `--operation-seconds` they look under way for so long.
"""

from dataclasses import replace

from infra.emulator import operations
from infra.emulator.calls import Call, handles
from infra.emulator.generic import page
from infra.emulator.objects import require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_resource import base_of

METADATA = "google.storage.control.v2.CommonLongRunningOperationMetadata"


def finished_in(call: Call, bucket: str, kind: str) -> Json:
    """Store and return an operation of a bucket that is done."""
    now = call.cloud.now()
    times = {"createTime": now, "updateTime": now, "endTime": now}
    fields = {**times, "type": kind, "requestedCancellation": False, "progressPercent": 100}
    return _shown(call, operations.finished(call, METADATA, parent=_parent(bucket), fields=fields))


@handles("storage.buckets.operations.get")
def get(call: Call) -> Json:
    """Return one operation. Raises ApiError 404."""
    return _shown(call, operations.get(_named(call)))


@handles("storage.buckets.operations.list")
def list_operations(call: Call) -> Json:
    """List a bucket's operations, oldest first, by `done` or `name` where a filter says so."""
    bucket = call.path["bucket"]
    require_bucket(call.cloud, bucket)
    rows = call.resources.list(operations.KIND, f"{_parent(bucket)}/operations/")
    found = operations.matching([operations.shown(call.cloud, body) for _, body in rows], call.parameter("filter"))
    listed = page(call, [_shown(call, one) for one in found], "operations", largest=100)
    return {"kind": "storage#operations", **listed}


@handles("storage.buckets.operations.cancel")
def cancel(call: Call) -> None:
    """Cancel an operation; one that is done stays as it is, and here all are."""
    operations.cancel(_named(call))


def _named(call: Call) -> Call:
    """Return a call for an operation as other APIs name it."""
    bucket = call.path["bucket"]
    require_bucket(call.cloud, bucket)
    return replace(call, path={"name": f"{_parent(bucket)}/operations/{call.path['operationId']}"})


def _parent(bucket: str) -> str:
    return f"projects/_/buckets/{bucket}"


def _shown(call: Call, operation: Json) -> Json:
    _, _, place = operation["name"].partition("buckets/")
    about = {"kind": "storage#operation", "selfLink": f"{base_of(call)}/storage/v1/b/{place}"}
    return {**about, "done": False, **operation}
