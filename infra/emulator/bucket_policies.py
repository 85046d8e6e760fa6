"""Who may do what with a bucket: IAM policies with etags."""

import base64
import secrets

from infra.emulator.access_rules import is_prevented, prevented
from infra.emulator.callers import PUBLIC
from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud, handles
from infra.emulator.errors import ApiError, invalid
from infra.emulator.objects import require_bucket
from infra.emulator.permissions import held, project_of
from infra.emulator.policies import VERSIONS
from infra.emulator.resources import Json
from infra.emulator.storage_resource import etag_of, merged

POLICIES = "storage.policies"


@handles("storage.buckets.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return a bucket's policy; a new bucket has the project's legacy roles."""
    name = call.path["bucket"]
    require_bucket(call.cloud, name)
    return {**_identity(name), **bucket_policy(call.cloud, name)}


@handles("storage.buckets.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace a bucket's policy; refused with 412 for an etag that is not the present one, and a prevented public."""
    name = call.path["bucket"]
    with call.resources.transaction():
        bucket, present = require_bucket(call.cloud, name), bucket_policy(call.cloud, name)
        if call.body.get("etag") not in {None, "", present["etag"]}:
            msg = "The policy was changed since it was read. Read it again, then write."
            raise ApiError(412, msg, reason="conditionNotMet")
        policy = checked_policy(call.body)
        members = {member for binding in policy["bindings"] for member in binding["members"]}
        if is_prevented(bucket) and members & PUBLIC:
            raise prevented()
        call.resources.put(POLICIES, name, policy)
    return {**_identity(name), **policy}


def bucket_policy(cloud: Cloud, name: str) -> Json:
    """Return a bucket's policy as it is stored, or the one that new buckets have."""
    return cloud.resources.get(POLICIES, name) or _first_policy()


def put_policy(cloud: Cloud, name: str, policy: Json) -> None:
    """Store a bucket's policy under a new etag."""
    cloud.resources.put(POLICIES, name, checked_policy(policy))


@handles("storage.buckets.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on a bucket."""
    name = call.path["bucket"]
    require_bucket(call.cloud, name)
    project = project_of(call.cloud, call.method, call.path, {})
    found = held(call, call.query.get("permissions", []), project, name)
    return {"kind": "storage#testIamPermissionsResponse", **({"permissions": found} if found else {})}


def _identity(bucket: str) -> Json:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}"}


def _first_policy() -> Json:
    owners = [f"projectEditor:{PROJECT_NUMBER}", f"projectOwner:{PROJECT_NUMBER}"]
    return {
        "version": 1,
        "etag": etag_of(1),
        "bindings": [
            {"role": "roles/storage.legacyBucketOwner", "members": owners},
            {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{PROJECT_NUMBER}"]},
        ],
    }


def checked_policy(body: Json) -> Json:
    """Return the policy to store; raise 400 where a binding has no role, no members or malformed ones."""
    if body.get("version", 0) not in VERSIONS:
        msg = f"Invalid policy version {body['version']}: it is 0, 1 or 3."
        raise invalid(msg, reason="invalid")
    sent = [merged({}, binding) for binding in body.get("bindings") or [] if binding]
    bindings = [binding for binding in sent if binding.get("members")]
    for binding in bindings:
        if not str(binding.get("role", "")).partition("/")[2]:
            msg = f"Invalid role {binding.get('role')!r} in a binding."
            raise invalid(msg, reason="invalid")
        for member in binding["members"]:
            if member not in PUBLIC and ":" not in str(member):
                msg = f"Invalid argument: the member {member!r} has no type, such as user: or serviceAccount:."
                raise invalid(msg, reason="invalid")
        if binding.get("condition") and body.get("version") != 3:
            msg = "Requested conditional role bindings need policy version 3."
            raise invalid(msg, reason="invalid")
    etag = base64.b64encode(b"\x08\x02" + secrets.token_bytes(6)).decode()
    return {"version": int(body.get("version") or 1), "etag": etag, "bindings": bindings}
