"""`bulkRestore`: the soft-deleted objects of a bucket that a request describes, back in one operation.

Of several soft-deleted generations of a name the youngest comes back; the operation's answer carries no numbers.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Call, handles
from infra.emulator.errors import ApiError, invalid
from infra.emulator.objects import discarding, require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import State, StoredObject
from infra.emulator.storage_listing import glob_expression
from infra.emulator.storage_operations import finished_in
from infra.emulator.storage_restores import bring_back
from infra.emulator.storage_soft_delete import retention

# Bounds of a request: the time of the object that they are held against.
AFTER = {"softDeletedAfterTime": "softDeleteTime", "createdAfterTime": "timeCreated"}
BEFORE = {"softDeletedBeforeTime": "softDeleteTime", "createdBeforeTime": "timeCreated"}


@handles("storage.objects.bulkRestore")
def bulk_restore(call: Call) -> Json:
    """Restore what the body describes; a live object of the same name is kept, unless `allowOverwrite`."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    if not retention(bucket):
        msg = f"Bucket {bucket['name']!r} has no soft delete policy."
        raise invalid(msg, reason="SoftDeletePolicyRequired")
    wanted, over = _test(call.body), bool(call.body.get("allowOverwrite"))
    for found in list(_youngest(call, bucket["name"], wanted)):
        _restore(call, found, over=over)
    return finished_in(call, bucket["name"], "bulk_restore_objects")


def _youngest(call: Call, bucket: str, wanted: Callable[[StoredObject], bool]) -> Iterator[StoredObject]:
    every = catalog.scan(call.cloud, bucket, (b"", 0), None, (State.SOFT_DELETED,))
    for _, found in groupby(filter(wanted, every), key=lambda found: found.name):
        *_, youngest = found
        yield youngest


def _restore(call: Call, seen: StoredObject, *, over: bool) -> None:
    """Restore one, unless it is gone meanwhile, or a live one stands in its place that is to stay."""
    with discarding(call.cloud) as freed, call.resources.transaction():
        if not over and catalog.find(call.cloud, seen.bucket, seen.name):
            return
        found = catalog.find(call.cloud, seen.bucket, seen.name, seen.generation, soft_deleted=True)
        if found:
            try:
                bring_back(call, found, freed, with_list=bool(call.body.get("copySourceAcl")))
            except ApiError:
                return  # a hold or a retention protects the live one


def _test(body: Json) -> Callable[[StoredObject], bool]:
    """Return which objects a request describes. Raises ApiError 400."""
    globs = [glob_expression(str(glob)) for glob in body.get("matchGlobs") or []]
    after = [(time, datetime.fromisoformat(body[name])) for name, time in AFTER.items() if body.get(name)]
    before = [(time, datetime.fromisoformat(body[name])) for name, time in BEFORE.items() if body.get(name)]

    def wanted(found: StoredObject) -> bool:
        times = {time: datetime.fromisoformat(found.body[time]) for time in ("softDeleteTime", "timeCreated")}
        return (
            (not globs or any(glob.fullmatch(found.name) for glob in globs))
            and all(times[time] > bound for time, bound in after)
            and all(times[time] < bound for time, bound in before)
        )

    return wanted
