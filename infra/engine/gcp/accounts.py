"""gcp.serviceaccount.Account: a service account."""

from infra.engine.gcp import validation
from infra.engine.gcp.rest import ApiError, Cloud
from infra.engine.gcp.schema import (
    DELETION,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    AutoName,
    Json,
    ResourceType,
    boolean,
    string,
)
from infra.engine.providers import UNKNOWN, Properties, ProviderError


def _accounts(cloud: Cloud) -> str:
    return cloud.library("iamBeta", "v1")


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Create the account."""
    account = {key: wanted[key] for key in ("displayName", "description") if wanted.get(key)}
    request = {"accountId": wanted["accountId"], "serviceAccount": account}
    try:
        body = cloud.call("POST", f"{_accounts(cloud)}projects/{wanted['project']}/serviceAccounts", request)
    except ApiError as refused:
        if refused.code != 409 or not wanted.get("createIgnoreAlreadyExists"):
            raise
        body = cloud.call("GET", f"{_accounts(cloud)}{standing(wanted)}")
    return body["name"], decoded(body)


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Get the account; the service answers 403 for one that never was."""
    del known
    try:
        return decoded(cloud.call("GET", f"{_accounts(cloud)}{identity}"))
    except ApiError as refused:
        if refused.code == 404:
            return None
        raise


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Enable or disable the account, and patch its texts; the mask travels in the body."""
    del prior
    url = f"{_accounts(cloud)}{identity}"
    if "disabled" in changed:
        cloud.call("POST", f"{url}:{'disable' if wanted.get('disabled') else 'enable'}", {})
    masks = {"description": "description", "displayName": "display_name"}
    named = [key for key in masks if key in changed]
    if named:
        account = {key: wanted.get(key) or "" for key in named} | {"etag": cloud.call("GET", url).get("etag", "")}
        mask = ",".join(masks[key] for key in named)
        cloud.call("PATCH", url, {"serviceAccount": account, "updateMask": mask})
    return decoded(cloud.call("GET", url))


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Delete the account."""
    del state
    cloud.call("DELETE", f"{_accounts(cloud)}{identity}")


def identify(identity: str, project: str) -> Properties:
    """Read `projects/PROJECT/serviceAccounts/EMAIL`."""
    del project
    parts = identity.split("/")
    if len(parts) != 4 or parts[::2] != ["projects", "serviceAccounts"]:
        raise ProviderError(f"No service account id: {identity!r}. Write it as projects/PROJECT/serviceAccounts/EMAIL")
    return {"project": parts[1], "accountId": parts[3].split("@")[0]}


def decoded(body: Json) -> Json:
    """Add what the provider derives from the account's address and project."""
    email = body["email"]
    return body | {
        "project": body.get("projectId"),
        "accountId": email.split("@")[0],
        "member": f"serviceAccount:{email}",
    }


def standing(wanted: Properties) -> str:
    """Return the id that the account will have."""
    return f"projects/{wanted['project']}/serviceAccounts/{_email(wanted)}"


def adjust(prior: Properties | None, planned: Properties) -> None:
    """Derive the address before the service is asked: others depend on it in the same preview."""
    known = UNKNOWN not in (planned["accountId"], planned["project"]) and planned["accountId"] and planned["project"]
    if known and (prior is None or prior.get("accountId") != planned["accountId"]):
        planned["email"] = _email(planned)
        planned["member"] = f"serviceAccount:{planned['email']}"


def _email(state: Properties) -> str:
    return f"{state['accountId']}@{state['project']}.iam.gserviceaccount.com"


ACCOUNT = ResourceType(
    title="Service account",
    properties={
        "accountId": string(NEW, LOCAL, wrong=validation.account_id),
        "project": PROJECT,
        "displayName": string(),
        "description": string(),
        "disabled": boolean(fallback=False),
        "createIgnoreAlreadyExists": boolean(LOCAL),
        "deletionPolicy": DELETION,
        "email": string(OUTPUT),
        "member": string(OUTPUT),
        "name": string(OUTPUT),
        "uniqueId": string(OUTPUT),
    },
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: str(state.get("accountId")),
    minutes={"create": 5},
    autoname=AutoName("accountId", longest=30),
    adjust=adjust,
    standing=standing,
    remedy="Choose another account_id, or import it: python -m infra.engine import",
)
