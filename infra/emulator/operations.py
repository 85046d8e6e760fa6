"""Long-running operations: what a call answers while, or after, the work it started is done."""

import secrets
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from infra.emulator import clock
from infra.emulator.calls import Call, Cloud, handles
from infra.emulator.errors import ApiError, not_found
from infra.emulator.generic import filtered, page

Json = dict[str, Any]

KIND = "operations"
PACKAGES = {
    "aiplatform": "google.cloud.aiplatform",
    "artifactregistry": "google.devtools.artifactregistry",
    "iam": "google.iam.admin",
    "ml": "google.cloud.ml",
    "notebooks": "google.cloud.notebooks",
    "serviceusage": "google.api.serviceusage",
}
EMPTY = "google.protobuf.Empty"
DUE = "localDue"  # in stored operations: when they look done
HIDDEN = (DUE, "done", "response", "error")
POLL_SECONDS, LONGEST_WAIT = 0.02, 30.0
CODES = {"NOT_FOUND": 5, "ALREADY_EXISTS": 6, "FAILED_PRECONDITION": 9, "ABORTED": 10, "UNIMPLEMENTED": 12}
INVALID_ARGUMENT, CANCELLED = 3, 1

# Where operations stand, and what can be done with them there.
_VERTEX = ("get", "list", "delete", "cancel", "wait")
_COLLECTIONS = {
    "aiplatform.projects.locations": _VERTEX,
    "aiplatform.projects.locations.deploymentResourcePools": _VERTEX,
    "aiplatform.projects.locations.endpoints": _VERTEX,
    "aiplatform.projects.locations.models": _VERTEX,
    "artifactregistry.projects.locations": ("get", "cancel"),
    "iam.projects.locations.workloadIdentityPools": ("get",),
    "iam.projects.locations.workloadIdentityPools.providers": ("get",),
    "ml.projects": ("get", "list", "cancel"),
    "notebooks.projects.locations": ("get", "list", "delete", "cancel"),
    "serviceusage": ("get", "list", "delete", "cancel"),
}


def _ids(verb: str) -> list[str]:
    return [f"{collection}.operations.{verb}" for collection, verbs in _COLLECTIONS.items() if verb in verbs]


def finished(call: Call, metadata: str, response: str = EMPTY, body: Json | None = None, **options: Any) -> Json:
    """Store and return an operation that is done: the first answer carries its result, unless operations are slowed.

    `metadata` and `response` are message names of the call's API (`CreateEndpointOperationMetadata`, `Endpoint`) or
    full ones (`google.protobuf.Empty`); options are those of `pending`.
    """
    operation = _started(call, metadata, **options)
    _note_end(operation, call.cloud.now())
    operation |= {"done": True, "response": {"@type": type_url(call, response), **(body or {})}, **due(call.cloud)}
    call.resources.put(KIND, operation["name"], operation)
    return shown(call.cloud, operation)


def pending(call: Call, metadata: str, **options: Any) -> Json:
    """Store and return an operation that `complete` or `fail` ends.

    Options: `parent`, under which its name stands (default: project and location of the call), and `fields`, which its
    metadata carries besides the type and times.
    """
    operation = _started(call, metadata, **options)
    call.resources.put(KIND, operation["name"], operation)
    return operation


def complete(cloud: Cloud, name: str, response: Json) -> None:
    """End a pending operation with its result, which carries its `@type` (`type_url`)."""
    _end(cloud, name, {"response": response})


def fail(cloud: Cloud, name: str, error: ApiError) -> None:
    """End a pending operation with an error."""
    _end(cloud, name, {"error": {"code": CODES.get(error.status, INVALID_ARGUMENT), "message": error.message}})


def type_url(call: Call, message: str) -> str:
    """Return the `@type` of a message of the call's API."""
    package = "" if message.startswith("google.") else f"{PACKAGES[call.api]}.{call.version}."
    return f"type.googleapis.com/{package}{message}"


def _started(call: Call, metadata: str, *, parent: str | None = None, fields: Json | None = None) -> Json:
    number = secrets.randbelow(9 * 10**18) + 10**18
    where = _location(call) if parent is None else parent
    name = f"{where}/operations/{number}" if where else f"operations/{number}"
    details = {"@type": type_url(call, metadata), **_times(call), **(fields or {})}
    return {"name": name, "metadata": details}  # as everywhere in Google's JSON, `done` is left out while it is false


def _times(call: Call) -> Json:
    """Return the times that an API's operation metadata has; what its message lacks is never invented."""
    now = call.cloud.now()
    if call.api == "aiplatform":
        return {"genericMetadata": {"createTime": now, "updateTime": now}}
    if call.api == "ml":
        return {"createTime": now, "startTime": now}
    if call.api == "notebooks":
        return {"createTime": now, "endTime": now, "requestedCancellation": False, "apiVersion": call.version}
    return {}


def _location(call: Call) -> str:
    """Return `projects/P/locations/L` of the resource that the call is about."""
    for value in call.path.values():
        parts = value.split("/")
        if parts[0] == "projects" and parts[2:3] == ["locations"]:
            return "/".join(parts[:4])
    return ""


def _end(cloud: Cloud, name: str, outcome: Json) -> None:
    with cloud.resources.transaction():
        operation = cloud.resources.get(KIND, name)
        if operation is None or operation.get("done"):  # deleted, or cancelled before the work ended
            return
        _note_end(operation, cloud.now())
        if outcome.get("error", {}).get("code") == CANCELLED and "operationType" in operation["metadata"]:
            operation["metadata"]["isCancellationRequested"] = True
        if "deploymentStage" in operation["metadata"]:
            stage = "FAILED_TO_DEPLOY" if "error" in outcome else "SUCCESSFULLY_DEPLOYED"
            operation["metadata"]["deploymentStage"] = stage
        cloud.resources.put(KIND, name, {**operation, "done": True, **outcome, **due(cloud)})


def due(cloud: Cloud) -> Json:
    """Return when an operation that is done now is to look so, by the local cloud's clock: operations can be slowed."""
    if not cloud.operation_seconds:
        return {}
    return {DUE: clock.text(clock.now(cloud.resources) + timedelta(seconds=cloud.operation_seconds))}


def shown(cloud: Cloud, operation: Json) -> Json:
    """Return an operation as clients see it: until it is due, as one under way."""
    if DUE not in operation:
        return operation
    over = operation[DUE] <= cloud.now()
    return {name: value for name, value in operation.items() if name not in ((DUE,) if over else HIDDEN)}


def _note_end(operation: Json, now: str) -> None:
    metadata = operation["metadata"]
    if "genericMetadata" in metadata:
        metadata["genericMetadata"]["updateTime"] = now
    elif "operationType" in metadata:  # AI Platform's
        metadata["endTime"] = now


def _named(call: Call) -> Json:
    name = call.path["name"]
    operation = call.resources.get(KIND, name)
    if operation is None:
        msg = f"Operation {name!r} not found."
        raise not_found(msg)
    return shown(call.cloud, operation)


@handles(*_ids("get"))
def get(call: Call) -> Json:
    """Return one operation."""
    return _named(call)


@handles(*_ids("list"))
def list_(call: Call) -> Json:
    """Return the operations below a name, oldest first."""
    prefix = call.path.get("name", "operations").rstrip("/")
    prefix = prefix if prefix.endswith("operations") else f"{prefix}/operations"
    found = [shown(call.cloud, body) for _, body in call.resources.list(KIND, f"{prefix}/")]
    return page(call, matching(found, call.parameter("filter")), "operations")


def matching(found: Iterable[Json], text: str) -> list[Json]:
    """Return the operations that a filter by `name` and `done` takes; one that lacks `done` is not done."""
    taken = filtered(({"done": False, **operation} for operation in found), text, "name", "done")
    return [{name: value for name, value in one.items() if name != "done" or value} for one in taken]


@handles(*_ids("delete"))
def delete(call: Call) -> Json:
    """Forget an operation; its work goes on."""
    call.resources.delete(KIND, _named(call)["name"])
    return {}


@handles(*_ids("cancel"))
def cancel(call: Call) -> Json:
    """Mark a running operation as cancelled; one that is done stays as it is."""
    message = "The operation was cancelled."
    _end(call.cloud, _named(call)["name"], {"error": {"code": CANCELLED, "message": message}})
    return {}


@handles(*_ids("wait"))
def wait(call: Call) -> Json:
    """Return an operation when it is done, or as it is when the time is over (`timeout`, at most 30 s here)."""
    seconds = float(call.parameter("timeout", "10s").removesuffix("s") or 10)
    end = time.monotonic() + min(seconds, LONGEST_WAIT)
    operation = _named(call)
    while not operation.get("done") and time.monotonic() < end and not call.cloud.stopping.wait(POLL_SECONDS):
        operation = _named(call)
    return operation
