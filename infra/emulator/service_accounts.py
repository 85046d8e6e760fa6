"""iam: service accounts and their IAM policies. Keys are not implemented: nothing here needs a secret."""

import base64
import re
import secrets
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import aborted, already_exists, invalid, not_found
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import forget_policy, get_policy, set_policy
from infra.emulator.projects import project_id

Json = dict[str, Any]

KIND, DELETED = "iam.serviceAccounts", "iam.deletedServiceAccounts"
ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
EDITABLE = ("displayName", "description")
UNSET_POLICY: Json = {"version": 1}
DEFAULT_PAGE = 20


def _new_etag() -> str:
    return base64.b64encode(secrets.token_bytes(8)).decode()


def _kept(account: Json) -> Json:
    """Drop what Google leaves out: empty texts and `disabled: false`."""
    return {name: value for name, value in account.items() if value not in ("", False)}


@handles("iam.projects.serviceAccounts.create")
def create(call: Call) -> Json:
    """Create a service account under `accountId`."""
    project, account_id = project_id(call.cloud, call.path["name"]), call.body.get("accountId", "")
    if not ACCOUNT_ID.fullmatch(account_id):
        what = "6 to 30 lower case letters, digits and hyphens, a letter first"
        raise invalid(f"Invalid account id {account_id!r}: {what} are wanted.", field_path="account_id")
    email = f"{account_id}@{project}.iam.gserviceaccount.com"
    name, number = f"projects/{project}/serviceAccounts/{email}", str(10**20 + secrets.randbelow(9 * 10**20))
    sent = call.body.get("serviceAccount", {})
    account = {
        "name": name,
        "projectId": project,
        "uniqueId": number,
        "email": email,
        "etag": _new_etag(),
        "oauth2ClientId": number,
        **{field: sent[field] for field in EDITABLE if field in sent},
    }
    message = f"Service account {account_id} already exists within project projects/{project}."
    return generic.create(call, KIND, name, _kept(account), message=message)


def _found(call: Call, parameter: str = "name") -> Json:
    """Return the account by email or unique id; its project may be written `-`."""
    match = re.fullmatch(r"projects/([^/]+)/serviceAccounts/([^/]+)", call.path[parameter])
    if not match:
        raise invalid(f"Invalid service account name {call.path[parameter]!r}.", field_path=parameter)
    project, identifier = match[1], match[2]
    for name, account in call.resources.list(KIND, "" if project == "-" else f"projects/{project}/"):
        if identifier in (account["email"], account["uniqueId"]):
            return {**account, "name": name}
    raise not_found(f"Unknown service account: {call.path[parameter]}")


def _store(call: Call, account: Json) -> Json:
    changed = _kept({**account, "etag": _new_etag()})
    call.resources.put(KIND, account["name"], changed)
    return changed


@handles("iam.projects.serviceAccounts.get")
def get(call: Call) -> Json:
    """Return one service account."""
    return _found(call)


@handles("iam.projects.serviceAccounts.list")
def list_(call: Call) -> Json:
    """List a project's service accounts."""
    prefix = f"projects/{project_id(call.cloud, call.path['name'])}/"
    accounts = [account for _, account in call.resources.list(KIND, prefix)]
    return generic.page(call, accounts, "accounts", default=DEFAULT_PAGE)


@handles("iam.projects.serviceAccounts.patch")
def patch(call: Call) -> Json:
    """Change display name or description; the mask stands in the body."""
    return _edit(call, call.body.get("serviceAccount", {}), call.body.get("updateMask", ""))


@handles("iam.projects.serviceAccounts.update")
def update(call: Call) -> Json:
    """Replace display name and description."""
    return _edit(call, call.body, ",".join(EDITABLE))


def _edit(call: Call, sent: Json, mask: str) -> Json:
    with call.resources.transaction():
        account = _found(call)
        if sent.get("etag") and sent["etag"] != account["etag"]:
            raise aborted("The service account was changed meanwhile: its etag is another. Read it again and retry.")
        changes = {field: sent[field] for field in EDITABLE if field in sent}
        return _store(call, generic.patched(account, changes, mask, mutable=EDITABLE))


@handles("iam.projects.serviceAccounts.enable", "iam.projects.serviceAccounts.disable")
def switch(call: Call) -> Json:
    """Enable or disable a service account."""
    with call.resources.transaction():
        _store(call, {**_found(call), "disabled": call.method.endswith(".disable")})
    return {}


@handles("iam.projects.serviceAccounts.delete")
def delete(call: Call) -> Json:
    """Delete a service account and its policy."""
    with call.resources.transaction():
        account = _found(call)
        call.resources.delete(KIND, account["name"])
        call.resources.put(DELETED, account["uniqueId"], account)
        forget_policy(call, account["name"])
    return {}


@handles("iam.projects.serviceAccounts.undelete")
def undelete(call: Call) -> Json:
    """Bring a deleted service account back, by its unique id, unless its name was given anew."""
    number = call.path["name"].rpartition("/")[2]
    with call.resources.transaction():
        account = generic.delete(call, DELETED, number, message=f"Unknown service account: {call.path['name']}")
        if not call.resources.insert(KIND, account["name"], account):
            raise already_exists(f"Service account {account['email']} already exists.")
    return {"restoredAccount": account}


@handles("iam.projects.serviceAccounts.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return who may use a service account."""
    return get_policy(call, _found(call, "resource")["name"], UNSET_POLICY)


@handles("iam.projects.serviceAccounts.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace who may use a service account."""
    return set_policy(call, _found(call, "resource")["name"])


@handles("iam.projects.serviceAccounts.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on a service account."""
    _found(call, "resource")
    return test_permissions(call)
