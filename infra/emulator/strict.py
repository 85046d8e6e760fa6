"""Strict mode: a caller needs a token, the API must be enabled in the project, and IAM must allow the call."""

from collections.abc import Mapping
from typing import Any

from infra.emulator.accesses import accesses
from infra.emulator.callers import OWNER, Caller, caller_of
from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud
from infra.emulator.errors import ApiError
from infra.emulator.exchange import current
from infra.emulator.guard import LOGIN
from infra.emulator.methods import Meaning, first_values
from infra.emulator.permissions import Access, has, project_of
from infra.emulator.serviceusage import KIND, TITLES, enabled_at_first

ALWAYS_ON = frozenset({"serviceusage", "cloudresourcemanager"})  # without them nothing could be enabled
VERTEX = "aiplatform.googleapis.com"
RPC = "type.googleapis.com/google.rpc"
CONSOLE = "https://console.developers.google.com/apis/api"


def refused(cloud: Cloud, meant: Meaning, headers: Mapping[str, str], query: str, token: str) -> ApiError | None:
    """Return why a call may not be made, in Google's order: who calls, whether the API is enabled, what IAM allows."""
    caller = caller_of(headers, token)
    storage = meant.method.startswith("storage.")
    if caller is None:
        return ApiError(401, f"Request had invalid authentication credentials. {LOGIN}", reason=_reason(storage))
    if not caller.member and not storage:
        return ApiError(401, f"Request is missing required authentication credential. {LOGIN}")
    if not meant.method or meant.proven:  # storage checks the proof
        return None
    asked = first_values(query)
    if meant.xml and meant.method == "storage.objects.insert" and not meant.path.get("object"):
        return _form(cloud, caller, meant)
    project = project_of(cloud, meant.method, meant.path, asked)
    return _disabled(cloud, meant.method, project) or _forbidden(cloud, caller, meant, project, asked)


def _form(cloud: Cloud, caller: Caller, meant: Meaning) -> ApiError | None:
    """Let a form in, whose fields prove the caller's right or name the object that is then asked about."""
    if exchange := current():
        exchange.creator = caller
    return _disabled(cloud, meant.method, project_of(cloud, meant.method, meant.path, {}))


def _reason(storage: bool) -> str:
    return "authError" if storage else ""


def _disabled(cloud: Cloud, method: str, project: str) -> ApiError | None:
    """Return the 403 SERVICE_DISABLED where the project has not enabled the method's API."""
    api = method.partition(".")[0]
    service = f"{api}.googleapis.com"
    if api in ALWAYS_ON or not project:
        return None
    stored = cloud.resources.get(KIND, f"projects/{project}/services/{service}")
    if stored["state"] == "ENABLED" if stored else service in enabled_at_first(cloud):
        return None
    title = TITLES.get(api, service)
    link = f"{CONSOLE}/{service}/overview?project={PROJECT_NUMBER}"
    message = (
        f"{title} has not been used in project {PROJECT_NUMBER} before or it is disabled. Enable it by visiting {link}"
        " then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems"
        " and retry."
    )
    consumer = f"projects/{PROJECT_NUMBER}"
    about = {"service": service, "serviceTitle": title, "consumer": consumer, "containerInfo": PROJECT_NUMBER}
    help_links = [{"description": "Google developers console API activation", "url": link}]
    details = [
        _info("SERVICE_DISABLED", "googleapis.com", {**about, "activationUrl": link}),
        {"@type": f"{RPC}.LocalizedMessage", "locale": "en-US", "message": message},
        {"@type": f"{RPC}.Help", "links": help_links},
    ]
    return ApiError(403, message, "PERMISSION_DENIED", "accessNotConfigured" if api == "storage" else "", details)


def _forbidden(cloud: Cloud, caller: Caller, meant: Meaning, project: str, query: Mapping[str, str]) -> ApiError | None:
    """Return the refusal where neither the project's policy nor the bucket's gives what the call needs."""
    exchange = current()
    if exchange and meant.method == "storage.objects.insert" and not meant.path.get("object"):  # or by its metadata
        exchange.creator = caller
    for wanted in accesses(cloud, meant, project, query):
        unread: list[str] = []
        if not has(cloud, caller, wanted, unread):
            about = next(iter(meant.path.values()), f"projects/{project}")
            return _denied(caller, wanted.permission, about, unread)
    return None


def check_creation(cloud: Cloud, bucket: str, name: str) -> None:
    """Refuse a new object whose name its request's address did not say. Raises ApiError 403."""
    exchange = current()
    caller = exchange.creator if exchange else None
    meant = Meaning("storage.objects.insert", {"bucket": bucket, "object": name})
    if caller is None:
        return
    refused = _forbidden(cloud, caller, meant, project_of(cloud, meant.method, meant.path, {}), {})
    if refused:
        raise refused


def check_held(call: Call, permission: str) -> None:
    """Refuse a call whose body asks for more than its method, of bucket or object. Raises ApiError 403, 401."""
    if not call.cloud.strict:
        return
    caller, path = caller_of(call.headers) or OWNER, call.path
    project = project_of(call.cloud, call.method, path, {})
    unread: list[str] = []
    if not has(call.cloud, caller, Access(permission, project, path["bucket"], path.get("object", "")), unread):
        raise _denied(caller, permission, "", unread)


def _denied(caller: Caller, permission: str, about: str, unread: list[str]) -> ApiError:
    """Return the refusal in the API's own words, and what of the policy was not understood here."""
    more = f" The local cloud cannot judge a condition, which gives nothing: {unread[0]!r}." if unread else ""
    if permission.startswith("storage."):
        what = "object" if permission.startswith("storage.objects") else "bucket"
        denied = f"Permission '{permission}' denied on resource (or it may not exist).{more}"
        message = f"{caller.shown} does not have {permission} access to the Google Cloud Storage {what}. {denied}"
        return ApiError(403 if caller.member else 401, message, reason="forbidden" if caller.member else "required")
    message = f"Permission '{permission}' denied on resource '//{VERTEX}/{about}' (or it may not exist).{more}"
    details = {"permission": permission, "resource": about}
    return ApiError(403, message, details=[_info("IAM_PERMISSION_DENIED", VERTEX, details)])


def _info(reason: str, domain: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    return {"@type": f"{RPC}.ErrorInfo", "reason": reason, "domain": domain, "metadata": dict(metadata)}
