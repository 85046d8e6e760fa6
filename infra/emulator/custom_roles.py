"""iam: a project's own roles. What they include is what strict mode lets their members do."""

import base64
import re
import secrets

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import aborted, failed_precondition, invalid
from infra.emulator.projects import project_id
from infra.emulator.resources import Json
from infra.emulator.spelling import camel_case

KIND = "iam.roles"
ROLE_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}", re.ASCII)
PERMISSION = re.compile(r"[a-zA-Z]+(\.[a-zA-Z]+){2,}", re.ASCII)
FIELDS = ("title", "description", "includedPermissions", "stage")
BASIC = ("name", "title", "description", "stage", "etag", "deleted")


@handles("iam.projects.roles.create")
def create(call: Call) -> Json:
    """Create a role under `roleId`."""
    role_id, sent = call.body.get("roleId", ""), call.body.get("role") or {}
    if not ROLE_ID.fullmatch(role_id):
        what = "3 to 64 letters, digits, underscores and periods are wanted"
        raise invalid(f"The role_id {role_id!r} is not valid: {what}.", field_path="role_id")
    name = f"projects/{project_id(call.cloud, call.path['parent'])}/roles/{role_id}"
    body = {"name": name, **_checked(sent), "etag": _new_etag()}
    taken = f"A role named {role_id} in {name.partition('/roles/')[0]} already exists."
    return _shown(generic.create(call, KIND, name, body, message=taken))


@handles("iam.projects.roles.get")
def get(call: Call) -> Json:
    """Return a role, deleted or not."""
    return _shown(_found(call))


@handles("iam.projects.roles.list")
def list_roles(call: Call) -> Json:
    """List a project's roles; with `view=FULL` their permissions too."""
    parent = f"projects/{project_id(call.cloud, call.path['parent'])}/roles/"
    shown = [_shown(body) for _, body in call.resources.list(KIND, parent)]
    if call.parameter("showDeleted") != "true":
        shown = [body for body in shown if not body.get("deleted")]
    if call.parameter("view") != "FULL":
        shown = [{name: body[name] for name in BASIC if name in body} for body in shown]
    return generic.page(call, shown, "roles")


@handles("iam.projects.roles.patch")
def patch(call: Call) -> Json:
    """Change the masked fields; without a mask, those that are sent."""
    mask = [camel_case(part.strip()) for part in call.parameter("updateMask").split(",") if part.strip()]
    with call.resources.transaction():
        body = _found(call)
        _check_etag(call.body.get("etag"), body)
        if wrong := [name for name in mask if name not in FIELDS]:
            raise invalid(f"Invalid field {wrong[0]!r} in the update mask.", field_path="update_mask")
        for name in mask or [name for name in FIELDS if name in call.body]:
            body[name] = call.body.get(name)
        return _put(call, {**body, **_checked({name: body[name] for name in FIELDS if body.get(name)})})


@handles("iam.projects.roles.delete")
def delete(call: Call) -> Json:
    """Mark a role as deleted: its bindings stay and give nothing."""
    with call.resources.transaction():
        body = _found(call)
        _check_etag(call.parameter("etag"), body)
        if body.get("deleted"):
            raise failed_precondition(f"You can't delete role {body['name']}: it is deleted already.")
        return _put(call, {**body, "deleted": True})


@handles("iam.projects.roles.undelete")
def undelete(call: Call) -> Json:
    """Bring a deleted role back."""
    with call.resources.transaction():
        body = _found(call)
        _check_etag(call.body.get("etag"), body)
        if not body.get("deleted"):
            raise failed_precondition(f"You can't undelete role {body['name']}: it is not deleted.")
        return _put(call, {name: value for name, value in body.items() if name != "deleted"})


def _found(call: Call) -> Json:
    name = call.path["name"]
    return generic.get(call, KIND, name, message=f"The role named {name} was not found.")


def _put(call: Call, body: Json) -> Json:
    body = {**body, "etag": _new_etag()}
    call.resources.put(KIND, body["name"], body)
    return _shown(body)


def _checked(sent: Json) -> Json:
    """Return the fields of a role that a caller sets. Raises 400 where a permission is none."""
    wrong = [one for one in sent.get("includedPermissions") or [] if not PERMISSION.fullmatch(one)]
    if wrong:
        raise invalid(f"Permission {wrong[0]} is not valid.", field_path="role.included_permissions")
    return {name: sent[name] for name in FIELDS if sent.get(name)}


def _check_etag(sent: str | None, stored: Json) -> None:
    if sent and sent != stored["etag"]:
        raise aborted("There were concurrent role changes. Read the role again and repeat the change.")


def _shown(body: Json) -> Json:
    """Leave out the stage ALPHA, as the service does."""
    return {name: value for name, value in body.items() if (name, value) != ("stage", "ALPHA")}


def _new_etag() -> str:
    return base64.b64encode(secrets.token_bytes(8)).decode()
