"""HMAC keys of service accounts: made, listed, switched off, deleted. What is signed with one is not checked here."""

import secrets
import string
from operator import itemgetter

from infra.emulator.calls import Call, handles
from infra.emulator.errors import ApiError, invalid, not_found
from infra.emulator.projects import project_id
from infra.emulator.resources import Json
from infra.emulator.storage_conditions import flag
from infra.emulator.storage_pages import decode_token, encode_token, page_size
from infra.emulator.storage_resource import base_of, etag_of

KIND = "storage.hmacKeys"
ACCESS_ID, SECRET = 61, 40  # characters
ACTIVE, INACTIVE, DELETED = "ACTIVE", "INACTIVE", "DELETED"


@handles("storage.projects.hmacKeys.create")
def create(call: Call) -> Json:
    """Make a key; its secret is in this answer only."""
    project, email = project_id(call.cloud, call.path["projectId"]), call.parameter("serviceAccountEmail")
    if not email:
        raise invalid("Required parameter: serviceAccountEmail", reason="required")
    if "@" not in email:
        raise invalid(f"Invalid service account email {email!r}.", reason="invalid")
    access_id = "GOOG1E" + _letters(ACCESS_ID - 6)
    now = call.cloud.now()
    body: Json = {"accessId": access_id, "projectId": project, "serviceAccountEmail": email, "state": ACTIVE}
    body |= {"timeCreated": now, "updated": now, "version": 1}
    call.resources.put(KIND, f"{project}/{access_id}", body)
    return {"kind": "storage#hmacKey", "metadata": _shown(call, body), "secret": secrets.token_urlsafe(30)[:SECRET]}


@handles("storage.projects.hmacKeys.get")
def get(call: Call) -> Json:
    """Return a key's metadata."""
    return _shown(call, _found(call))


@handles("storage.projects.hmacKeys.list")
def list_keys(call: Call) -> Json:
    """List a project's keys, of one account where asked, the deleted ones only where asked."""
    project, email = project_id(call.cloud, call.path["projectId"]), call.parameter("serviceAccountEmail")
    start = decode_token(call.parameter("pageToken"))[0].decode()
    found = [
        body
        for _, body in sorted(call.resources.list(KIND, f"{project}/"), key=itemgetter(0))
        if email in ("", body["serviceAccountEmail"])
        and (body["state"] != DELETED or flag(call.query, "showDeletedKeys"))
        and body["accessId"] >= start
    ]
    limit = page_size(call.query)
    answer: Json = {"kind": "storage#hmacKeysMetadata"}
    answer |= {"items": [_shown(call, body) for body in found[:limit]]} if found else {}
    return answer | ({"nextPageToken": encode_token(found[limit]["accessId"].encode(), 0)} if found[limit:] else {})


@handles("storage.projects.hmacKeys.update")
def update(call: Call) -> Json:
    """Switch a key off or on."""
    state = call.body.get("state")
    if state not in (ACTIVE, INACTIVE):
        raise invalid(f"The state of an HMAC key can be {ACTIVE} or {INACTIVE}, not {state!r}.", reason="invalid")
    with call.resources.transaction():
        body = _found(call)
        if call.body.get("etag") not in (None, "", etag_of(body["version"])):
            raise ApiError(412, "The HMAC key was changed since it was read.", reason="conditionNotMet")
        if body["state"] == DELETED:
            raise invalid("A deleted HMAC key cannot be changed.", reason="invalid")
        return _put(call, body, state)


@handles("storage.projects.hmacKeys.delete")
def delete(call: Call) -> None:
    """Delete a key that is switched off; it stays to be seen."""
    with call.resources.transaction():
        body = _found(call)
        if body["state"] == ACTIVE:
            raise invalid("Cannot delete keys in ACTIVE state.", reason="invalid")
        _put(call, body, DELETED)


def _found(call: Call) -> Json:
    project, access_id = project_id(call.cloud, call.path["projectId"]), call.path["accessId"]
    body = call.resources.get(KIND, f"{project}/{access_id}")
    if body is None:
        raise not_found("Access ID not found.", reason="notFound")
    return body


def _put(call: Call, body: Json, state: str) -> Json:
    body = {**body, "state": state, "updated": call.cloud.now(), "version": body["version"] + 1}
    call.resources.put(KIND, f"{body['projectId']}/{body['accessId']}", body)
    return _shown(call, body)


def _shown(call: Call, body: Json) -> Json:
    name = f"{body['projectId']}/{body['accessId']}"
    return {
        "kind": "storage#hmacKeyMetadata",
        "id": name,
        "selfLink": f"{base_of(call)}/storage/v1/projects/{body['projectId']}/hmacKeys/{body['accessId']}",
        "etag": etag_of(body["version"]),
        **{field: value for field, value in body.items() if field != "version"},
    }


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(count))
