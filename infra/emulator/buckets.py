"""Buckets of the local Cloud Storage: every setting is echoed, so that a stack that manages one sees no drift."""

from collections.abc import Callable

from starlette.responses import Response

from infra.emulator import clock
from infra.emulator import storage_catalog as catalog
from infra.emulator.bucket_access_lists import is_given, with_given_lists
from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud, handles
from infra.emulator.errors import ApiError, already_exists, invalid, not_found
from infra.emulator.folder_records import (
    FOLDERS,
    LAYOUT,
    MANAGED_FOLDERS,
    below,
    check_hierarchical,
    check_layout_kept,
)
from infra.emulator.kms_access import require_key
from infra.emulator.objects import BUCKETS, discarding, find_bucket, require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_bucket_rules import (
    OUTPUT_ONLY,
    check_bucket_name,
    check_retention_change,
    check_settings,
    check_uniform,
    check_unmoved,
    completed,
)
from infra.emulator.storage_conditions import condition_not_met, etags_of, flag, integer
from infra.emulator.storage_pages import decode_token, encode_token, page_size
from infra.emulator.storage_projections import shown_bucket
from infra.emulator.storage_resource import DEFAULT_LIST, etag_of, merged
from infra.emulator.storage_soft_delete import DELETED_BUCKETS, bury_bucket, grave_of
from infra.emulator.strict import check_held

TAKEN = "The requested bucket name is not available. The bucket namespace is shared by all users of the system."
OWNED = "Your previous request to create the named bucket succeeded and you already own it."
NOT_EMPTY = "The bucket you tried to delete is not empty."


@handles("storage.buckets.insert")
def insert(call: Call) -> Json:
    """Create a bucket in the project of the query."""
    project = call.parameter("project")
    if not project:
        msg = "Required parameter: project"
        raise invalid(msg, reason="required")
    name = str(call.body.get("name") or "")
    check_bucket_name(name)
    now = call.cloud.now()
    body = completed(merged({}, _written(call.body)), now)
    check_settings(body)
    check_hierarchical(body)
    _check_key(call, {}, body)
    if flag(call.query, "enableObjectRetention"):
        body["objectRetention"] = {"mode": "Enabled"}
    system = {"project": project, "projectNumber": PROJECT_NUMBER, "name": name, "metageneration": "1"}
    times = {"timeCreated": now, "updated": now, "generation": str(int(clock.now(call.resources).timestamp() * 1e6))}
    with call.resources.transaction():
        if not call.resources.insert(BUCKETS, name, {**body, **system, **times}):
            raise _name_taken(call.cloud, name, project)
        made = with_given_lists(call, require_bucket(call.cloud, name))
        call.resources.put(BUCKETS, name, made)
    return shown_bucket(call, made, unnamed=bool(call.body.get("acl") or call.body.get("defaultObjectAcl")))


@handles("storage.buckets.get")
def get(call: Call) -> Json | Response:
    """Return a bucket, or a soft-deleted one by its generation; 304 where the caller has this metageneration."""
    body = _soft_deleted(call) if flag(call.query, "softDeleted") else require_bucket(call.cloud, call.path["bucket"])
    _check_match(call, body)
    if _is_known(call, body):
        return Response(status_code=304)
    return shown_bucket(call, body)


@handles("storage.buckets.list")
def list_buckets(call: Call) -> Json:
    """List a project's buckets by name."""
    project = call.parameter("project")
    if not project:
        msg = "Required parameter: project"
        raise invalid(msg, reason="required")
    kind = DELETED_BUCKETS if flag(call.query, "softDeleted") else BUCKETS
    rows = sorted(call.resources.list(kind, call.parameter("prefix")))
    start = decode_token(call.parameter("pageToken"))[0].decode()
    found = [row for row in rows if row[0] >= start and project in {row[1]["project"], PROJECT_NUMBER}]
    limit = page_size(call.query)
    answer: Json = {"kind": "storage#buckets"}
    if found:
        answer["items"] = [shown_bucket(call, body) for _, body in found[:limit]]
    if len(found) > limit:
        answer["nextPageToken"] = encode_token(found[limit][0].encode(), 0)
    return answer


@handles("storage.buckets.patch")
def patch(call: Call) -> Json:
    """Change what the body names: a JSON merge patch, null removes."""
    return _write(call, lambda old: merged(old, _written(call.body)))


@handles("storage.buckets.update")
def update(call: Call) -> Json:
    """Replace all that a client can set; place and soft delete policy stay where the body names none."""
    kept = ("location", "locationType", "customPlacementConfig", "softDeletePolicy", "rpo", "storageClass", LAYOUT)

    def replaced(old: Json) -> Json:
        system = {name: old[name] for name in (*OUTPUT_ONLY, *kept, DEFAULT_LIST, "project", "name") if name in old}
        return {**system, **merged({}, _written(call.body))}

    return _write(call, replaced)


@handles("storage.buckets.delete")
def delete(call: Call) -> None:
    """Delete a bucket without live objects; it is kept for as long as its soft delete policy says."""
    name = call.path["bucket"]
    with discarding(call.cloud) as freed, call.resources.transaction():
        bucket = require_bucket(call.cloud, name)
        _check_versions(call, bucket)
        if not catalog.is_empty(call.cloud, name) or below(call.cloud, name, kinds=(FOLDERS, MANAGED_FOLDERS)):
            raise already_exists(NOT_EMPTY, reason="conflict")
        freed.extend(bury_bucket(call.cloud, bucket))
        call.resources.delete(BUCKETS, name)
        call.resources.delete("storage.policies", name)


@handles("storage.buckets.lockRetentionPolicy")
def lock_retention_policy(call: Call) -> Json:
    """Lock the retention policy for good; the caller says which metageneration it has seen."""
    if integer(call.query, "ifMetagenerationMatch") is None:
        msg = "Required parameter: ifMetagenerationMatch"
        raise invalid(msg, reason="required")

    def locked(old: Json) -> Json:
        if "retentionPolicy" not in old:
            msg = f"Bucket {old['name']!r} has no retention policy to lock."
            raise invalid(msg, reason="invalid")
        return {**old, "retentionPolicy": {**old["retentionPolicy"], "isLocked": True}}

    return _write(call, locked)


def _write(call: Call, change: Callable[[Json], Json]) -> Json:
    """Change a bucket under its preconditions and count its metageneration up."""
    name = call.path["bucket"]
    with call.resources.transaction():
        old = require_bucket(call.cloud, name)
        _check_versions(call, old)
        new = completed(change(old), call.cloud.now())
        check_settings(new)
        check_unmoved(old, new)
        check_layout_kept(old, new)
        check_hierarchical(new)
        check_retention_change(old, new)
        check_uniform(old, new, call.cloud.now())
        _check_key(call, old, new)
        if is_given(call):
            check_held(call, "storage.buckets.setIamPolicy")
        new = with_given_lists(call, new)
        new |= {"metageneration": str(int(old["metageneration"]) + 1), "updated": call.cloud.now()}
        call.resources.put(BUCKETS, name, new)
    return shown_bucket(call, new, unnamed=True)


def _check_key(call: Call, old: Json, new: Json) -> None:
    """Refuse a new default key that storage could not encrypt with."""
    keys = [(body.get("encryption") or {}).get("defaultKmsKeyName") or "" for body in (old, new)]
    if keys[0] != keys[1]:
        require_key(call, keys[1], new["location"], "storage")


def _written(body: Json) -> Json:
    return {name: value for name, value in body.items() if name not in OUTPUT_ONLY and name != "name"}


def _check_match(call: Call, body: Json) -> None:
    expected, etags = integer(call.query, "ifMetagenerationMatch"), etags_of({}, call.headers, "if-match")
    if expected not in {None, int(body["metageneration"])} or (etags and not {"*", _etag(body)} & set(etags)):
        raise condition_not_met()


def _is_known(call: Call, body: Json) -> bool:
    """Tell whether the caller has this metageneration already, and wants none of it."""
    if integer(call.query, "ifMetagenerationNotMatch") == int(body["metageneration"]):
        return True
    return bool({"*", _etag(body)} & set(etags_of({}, call.headers, "if-none-match")))


def _check_versions(call: Call, body: Json) -> None:
    _check_match(call, body)
    if _is_known(call, body):
        raise condition_not_met()


def _etag(body: Json) -> str:
    return etag_of(int(body["metageneration"]))


def _soft_deleted(call: Call) -> Json:
    generation = integer(call.query, "generation")
    if generation is None:
        msg = "Required parameter: generation. A soft-deleted bucket is read by its generation."
        raise invalid(msg, reason="required")
    body = call.resources.get(DELETED_BUCKETS, grave_of(call.path["bucket"], generation))
    if body is None:
        msg = "The specified bucket does not exist."
        raise not_found(msg, reason="notFound")
    return body


def _name_taken(cloud: Cloud, name: str, project: str) -> ApiError:
    body = find_bucket(cloud, name) or {}
    return already_exists(OWNED if body.get("project") == project else TAKEN, reason="conflict")
