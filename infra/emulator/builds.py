"""cloudbuild: builds, and the operations that follow them. A build is checked and kept, and its steps never run.

The local cloud has no worker that runs containers. A build waits in the queue, as at Google while all workers are
busy, until its `queueTtl` (here 1 s where none is sent) is over; then it is EXPIRED, and its `statusDetail` says why.
No build is ever a SUCCESS here, so nobody takes an image for pushed that is not.
"""

import base64
import re
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from infra.emulator import generic
from infra.emulator.build_rules import check_build, resolved_source
from infra.emulator.calls import Call, handles
from infra.emulator.errors import ApiError, failed_precondition, invalid, not_found
from infra.emulator.projects import project_id

Json = dict[str, Any]

KIND = "cloudbuild.builds"
GLOBAL = "global"
QUEUE_SECONDS = 1.0  # Google's default is an hour; here nothing ever comes to take the build
DEFAULTS: Json = {"timeout": "600s", "queueTtl": "3600s"}
NOT_RUN = (
    "The local cloud runs no containers: the build and its source were checked and kept, none of its steps was"
    " executed, and no image was made."
)
NOT_FOUND = "Requested entity was not found."
CANCELLED, DEADLINE_EXCEEDED = 1, 4  # google.rpc.Code
METADATA = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"
BUILD = "type.googleapis.com/google.devtools.cloudbuild.v1.Build"


@handles("cloudbuild.projects.builds.create", "cloudbuild.projects.locations.builds.create")
def create(call: Call) -> Json:
    """Check a build and its source, and queue it; answers the operation that follows it."""
    project, location = _place(call)
    check_build(call, project)
    identifier, now = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)), call.cloud.now()
    build = {
        **DEFAULTS,
        **call.body,
        "id": identifier,
        "name": f"projects/{project}/locations/{location}/builds/{identifier}",
        "projectId": project,
        "status": "QUEUED",
        "createTime": now,
        "logUrl": f"{call.cloud.url}/cloudbuild/v1/projects/{project}/locations/{location}/builds/{identifier}",
        **resolved_source(call),
    }
    waits = float(str(call.body["queueTtl"]).rstrip("s")) if "queueTtl" in call.body else QUEUE_SECONDS
    call.resources.put(KIND, build["name"], {"build": build, "waits": waits})
    return _operation(build)


@handles("cloudbuild.projects.builds.get", "cloudbuild.projects.locations.builds.get")
def get(call: Call) -> Json:
    """Return one build."""
    return _settled(call, _name(call))


@handles("cloudbuild.projects.builds.list", "cloudbuild.projects.locations.builds.list")
def list_(call: Call) -> Json:
    """List a location's builds, newest first; `filter` knows tags, status, id and createTime."""
    project, location = _place(call)
    names = [name for name, _ in call.resources.list(KIND, f"projects/{project}/locations/{location}/builds/")]
    found = [_settled(call, name) for name in reversed(names)]
    wanted = call.parameter("filter")
    taken = [build for build in found if _one_of(build, wanted)]
    return generic.page(call, taken, "builds")


@handles("cloudbuild.projects.builds.cancel", "cloudbuild.projects.locations.builds.cancel")
def cancel(call: Call) -> Json:
    """Cancel a build that waits, and return it."""
    return _cancelled(call, _name(call))


@handles("cloudbuild.operations.get", "cloudbuild.projects.locations.operations.get")
def get_operation(call: Call) -> Json:
    """Return the operation of a build."""
    return _operation(_settled(call, _of_operation(call)))


@handles("cloudbuild.operations.cancel", "cloudbuild.projects.locations.operations.cancel")
def cancel_operation(call: Call) -> Json:
    """Cancel the build of an operation; one that has ended stays as it is."""
    name = _of_operation(call)
    if _settled(call, name)["status"] == "QUEUED":
        _cancelled(call, name)
    return {}


def _place(call: Call) -> tuple[str, str]:
    """Return project and location: of the address, else of the parameter `parent`, else global."""
    parent = str(call.path.get("parent") or call.parameter("parent"))
    if parent:
        found = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)", parent)
        if not found:
            raise invalid(f"Invalid parent {parent!r}: projects/P/locations/L is wanted.", field_path="parent")
        return project_id(call.cloud, found[1]), found[2]
    return project_id(call.cloud, call.path["projectId"]), GLOBAL


def _name(call: Call) -> str:
    if "name" in call.path:
        return str(call.path["name"])
    return call.parameter("name") or f"projects/{_place(call)[0]}/locations/{GLOBAL}/builds/{call.path['id']}"


def _settled(call: Call, name: str) -> Json:
    """Return a build, expired where its time in the queue is over."""
    with call.resources.transaction():
        record = call.resources.get(KIND, name)
        if record is None:
            raise not_found(NOT_FOUND)
        build: Json = record["build"]
        over = datetime.fromisoformat(build["createTime"]) + timedelta(seconds=record["waits"])
        if build["status"] == "QUEUED" and datetime.fromisoformat(call.cloud.now()) >= over:
            build = _ended(call, name, record, "EXPIRED", NOT_RUN)
    return build


def _cancelled(call: Call, name: str) -> Json:
    with call.resources.transaction():
        if _settled(call, name)["status"] != "QUEUED":
            raise failed_precondition("cannot cancel a build that has ended")
        return _ended(call, name, call.resources.get(KIND, name) or {}, "CANCELLED", "")


def _ended(call: Call, name: str, record: Json, status: str, detail: str) -> Json:
    build: Json = record["build"] | {"status": status, "finishTime": call.cloud.now()}
    build |= {"statusDetail": detail} if detail else {}
    call.resources.put(KIND, name, {**record, "build": build})
    return build


def _operation(build: Json) -> Json:
    """Return a build's operation: its name says the build's."""
    _, project, _, location, _, identifier = build["name"].split("/")
    last = base64.urlsafe_b64encode(identifier.encode()).decode()
    where = (
        f"operations/build/{project}" if location == GLOBAL else f"projects/{project}/locations/{location}/operations"
    )
    operation: Json = {"name": f"{where}/{last}", "metadata": {"@type": METADATA, "build": build}}
    if build["status"] == "QUEUED":
        return operation
    code = CANCELLED if build["status"] == "CANCELLED" else DEADLINE_EXCEEDED
    message = build.get("statusDetail") or "Build cancelled"
    return {**operation, "done": True, "error": {"code": code, "message": message}}


def _of_operation(call: Call) -> str:
    """Return the name of the build that an operation follows."""
    head, _, last = call.path["name"].rpartition("/")
    try:
        identifier = base64.urlsafe_b64decode(last).decode()
    except ValueError:
        raise ApiError(404, NOT_FOUND) from None
    if head.startswith("operations/build/"):
        return f"projects/{head.rpartition('/')[2]}/locations/{GLOBAL}/builds/{identifier}"
    return f"{head.removesuffix('/operations')}/builds/{identifier}"


def _one_of(build: Json, wanted: str) -> bool:
    """Say whether a filter takes a build: a build has as many tags as it likes, and `tags=` names one."""
    tags = build.get("tags") or [""]
    return bool(
        generic.filtered([{**build, "tags": tag} for tag in tags], wanted, "tags", "status", "id", "createTime")
    )
