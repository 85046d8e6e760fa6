"""One object at a time: its metadata read and changed, the object deleted."""

from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.responses import Response

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Call, Cloud, handles
from infra.emulator.errors import invalid
from infra.emulator.object_access_lists import changed_list
from infra.emulator.objects import discarding, require_bucket, require_object, retire
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Query, conditions_of, flag, integer
from infra.emulator.storage_contexts import stamped
from infra.emulator.storage_holds import check_retention_change, check_unprotected, released
from infra.emulator.storage_metadata_rules import checked_metadata
from infra.emulator.storage_projections import shown_object
from infra.emulator.storage_resource import WRITABLE, merged
from infra.emulator.storage_soft_delete import bury
from infra.emulator.strict import check_held

CHANGEABLE = tuple(name for name in WRITABLE if name != "storageClass")  # a rewrite changes that


@handles("storage.objects.get")
def get(call: Call) -> Json | Response:
    """Return an object's resource; 304 where the caller has this version."""
    generation, soft_deleted = integer(call.query, "generation"), flag(call.query, "softDeleted")
    if soft_deleted and generation is None:
        msg = "Required parameter: generation. A soft-deleted object is read by its generation."
        raise invalid(msg, reason="required")
    path = call.path
    found = require_object(call.cloud, path["bucket"], path["object"], generation, soft_deleted=soft_deleted)
    conditions = conditions_of(call.query, headers=call.headers)
    if conditions.excludes(found):
        return Response(status_code=304)
    conditions.check(found)
    return shown_object(call, found)


@handles("storage.objects.patch")
def patch(call: Call) -> Json:
    """Change what the body names: a JSON merge patch, null removes."""
    change = {name: value for name, value in call.body.items() if name in CHANGEABLE}
    return _write(call, lambda old: merged(old, change))


@handles("storage.objects.update")
def update(call: Call) -> Json:
    """Replace all that a client can set."""
    change = {name: value for name, value in call.body.items() if name in CHANGEABLE and value is not None}

    def replaced(old: Json) -> Json:
        kept = {name: value for name, value in old.items() if name not in CHANGEABLE}
        times = {name: old[name] for name in ("customTime",) if name in old}
        return {"contentType": "application/octet-stream", **kept, **times, **change}

    return _write(call, replaced)


@handles("storage.objects.delete")
def delete(call: Call) -> Response:
    """Delete the live generation (noncurrent then, where the bucket keeps versions), or a named one."""
    delete_object(call.cloud, call.path["bucket"], call.path["object"], call.query, call.headers)
    return Response(status_code=200)  # the status that was recorded, with an empty body


def delete_object(cloud: Cloud, bucket: str, name: str, query: Query, headers: Mapping[str, str]) -> None:
    """Delete an object under the preconditions of a query."""
    generation = integer(query, "generation")
    with discarding(cloud) as freed, cloud.resources.transaction():
        home = require_bucket(cloud, bucket)
        found = require_object(cloud, bucket, name, generation)
        conditions_of(query, headers=headers).check(found)
        check_unprotected(cloud, home, found, by_name=generation is None)
        freed.extend((retire if generation is None else bury)(cloud, home, found))


def _write(call: Call, change: Callable[[Json], Json]) -> Json:
    """Change an object's metadata under its preconditions and count its metageneration up."""
    bucket, name = call.path["bucket"], call.path["object"]
    home = require_bucket(call.cloud, bucket)
    override = flag(call.query, "overrideUnlockedRetention")
    with call.resources.transaction():
        found = require_object(call.cloud, bucket, name, integer(call.query, "generation"))
        conditions_of(call.query, headers=call.headers).check(found)
        body = checked_metadata({key: value for key, value in change(found.body).items() if value != {}})
        check_retention_change(call.cloud, home, found.body, body, override=override)
        _check_custom_time(found.body, body)
        body = released(call.cloud, found.body, {"contentType": "application/octet-stream", **body})
        body |= {"metageneration": str(found.metageneration + 1), "updated": call.cloud.now()}
        body = stamped(found.body, body, call.cloud.now()) | _given_list(call, home, found)
        found = catalog.update(call.cloud, found, body)
    return shown_object(call, found, unnamed=True)


def _check_custom_time(old: Json, new: Json) -> None:
    """Raise 400 where an object's own time would go back or away: only a new generation has another or none."""
    before, after = old.get("customTime"), new.get("customTime")
    if before and (not after or datetime.fromisoformat(after) < datetime.fromisoformat(before)):
        msg = f"Custom time cannot be removed or set to an earlier time: it is {before}. Rewrite the object instead."
        raise invalid(msg, reason="invalid")


def _given_list(call: Call, bucket: Json, found: StoredObject) -> Json:
    """Return what is kept of the list that a call gives an object, which takes a permission of its own."""
    kept = changed_list(bucket, found, call.query, call.body)
    if kept:
        check_held(call, "storage.objects.setIamPolicy")
    return kept
