"""Managed folders: names of folders that have policies. Strict mode asks those of bucket and project only."""

from starlette.responses import Response

from infra.emulator import storage_catalog as catalog
from infra.emulator.bucket_policies import checked_policy
from infra.emulator.calls import Call, handles
from infra.emulator.errors import ApiError, already_exists, invalid, not_found
from infra.emulator.folder_records import MANAGED_FOLDERS as KIND
from infra.emulator.generic import page
from infra.emulator.objects import require_bucket
from infra.emulator.permissions import held, project_of
from infra.emulator.resources import Json
from infra.emulator.storage_conditions import condition_not_met, flag, integer
from infra.emulator.storage_resource import base_of, etag_of

POLICIES = "storage.managedFolderPolicies"
NOT_UNIFORM = "Managed folders need uniform bucket-level access, which this bucket has not."
LONGEST = 1024  # bytes of a name


@handles("storage.managedFolders.insert")
def insert(call: Call) -> Json:
    """Make a managed folder; its name ends with a slash."""
    bucket, name = _bucket(call), str(call.body.get("name") or "")
    if not name.endswith("/") or name.startswith("/") or len(name.encode()) > LONGEST:
        what = f"relative, ending in '/', of at most {LONGEST} bytes"
        raise invalid(f"Invalid managed folder name {name!r}: {what}.", reason="invalid")
    now = call.cloud.now()
    body = {"bucket": bucket, "name": name, "metageneration": "1", "createTime": now, "updateTime": now}
    if not call.resources.insert(KIND, f"{bucket}/{name}", body):
        raise already_exists("The managed folder you tried to create already exists.", reason="conflict")
    return _shown(call, body)


@handles("storage.managedFolders.get")
def get(call: Call) -> Json | Response:
    """Return a managed folder."""
    body = _found(call)
    if integer(call.query, "ifMetagenerationNotMatch") == int(body["metageneration"]):
        return Response(status_code=304)
    _check(call, body)
    return _shown(call, body)


@handles("storage.managedFolders.list")
def list_folders(call: Call) -> Json:
    """List a bucket's managed folders by name."""
    bucket = _bucket(call)
    rows = sorted(call.resources.list(KIND, f"{bucket}/{call.parameter('prefix')}"), key=lambda row: row[0])
    return {"kind": "storage#managedFolders", **page(call, [_shown(call, body) for _, body in rows], "items")}


@handles("storage.managedFolders.delete")
def delete(call: Call) -> None:
    """Delete a managed folder, an empty one or with `allowNonEmpty`; the objects below stay."""
    with call.resources.transaction():
        body = _found(call)
        if integer(call.query, "ifMetagenerationNotMatch") == int(body["metageneration"]):
            raise condition_not_met()
        _check(call, body)
        start = body["name"].encode()
        below = next(catalog.scan(call.cloud, body["bucket"], (start, 0), catalog.successor(start)), None)
        if below and not flag(call.query, "allowNonEmpty"):
            raise already_exists("The managed folder you tried to delete is not empty.", reason="conflict")
        for kind in (KIND, POLICIES):
            call.resources.delete(kind, f"{body['bucket']}/{body['name']}")


@handles("storage.managedFolders.getIamPolicy")
def get_policy(call: Call) -> Json:
    """Return a managed folder's policy."""
    return _policy(call, _found(call))


@handles("storage.managedFolders.setIamPolicy")
def set_policy(call: Call) -> Json:
    """Replace a managed folder's policy; an etag that is not the present one is refused with 412."""
    with call.resources.transaction():
        body = _found(call)
        if call.body.get("etag") not in {None, "", _policy(call, body)["etag"]}:
            raise ApiError(412, "The policy was changed since it was read.", reason="conditionNotMet")
        call.resources.put(POLICIES, f"{body['bucket']}/{body['name']}", checked_policy(call.body))
        return _policy(call, body)


@handles("storage.managedFolders.testIamPermissions")
def test_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has, by the bucket's policy and the project's."""
    body = _found(call)
    project = project_of(call.cloud, call.method, call.path, {})
    found = held(call, call.query.get("permissions", []), project, body["bucket"])
    return {"kind": "storage#testIamPermissionsResponse", **({"permissions": found} if found else {})}


def _bucket(call: Call) -> str:
    """Return the bucket of a call; raises 404, and 412 where it has no uniform access."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    if not bucket["iamConfiguration"]["uniformBucketLevelAccess"].get("enabled"):
        raise ApiError(412, NOT_UNIFORM, reason="conditionNotMet")
    return str(bucket["name"])


def _found(call: Call) -> Json:
    bucket, name = _bucket(call), call.path["managedFolder"]
    body = call.resources.get(KIND, f"{bucket}/{name}")
    if body is None:
        raise not_found("The specified managed folder does not exist.", reason="notFound")
    return body


def _check(call: Call, body: Json) -> None:
    if integer(call.query, "ifMetagenerationMatch") not in {None, int(body["metageneration"])}:
        raise condition_not_met()


def _policy(call: Call, body: Json) -> Json:
    stored = call.resources.get(POLICIES, f"{body['bucket']}/{body['name']}") or {"version": 1, "etag": etag_of(1)}
    place = f"projects/_/buckets/{body['bucket']}/managedFolders/{body['name']}"
    return {"kind": "storage#policy", "resourceId": place, **stored}


def _shown(call: Call, body: Json) -> Json:
    return {
        "kind": "storage#managedFolder",
        "id": f"{body['bucket']}/{body['name']}",
        "selfLink": f"{base_of(call)}/storage/v1/b/{body['bucket']}/managedFolders/{body['name']}",
        **body,
    }
