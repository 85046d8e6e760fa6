"""compute: what every change answers, an operation that is done, and where it can be read again."""

import secrets
import time
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import not_found
from infra.emulator.operations import DUE, LONGEST_WAIT, POLL_SECONDS, due
from infra.emulator.projects import project_id

Json = dict[str, Any]

KIND = "compute.operations"


def base(call: Call) -> str:
    """Return the address that links of a call's version begin with."""
    return f"{call.cloud.url}/compute/compute/{call.version}"


def place(call: Call) -> str:
    """Return `projects/P/global` or `projects/P/regions/R` of the call."""
    region = call.path.get("region")
    return f"projects/{project_id(call.cloud, call.path['project'])}/{f'regions/{region}' if region else 'global'}"


def done(call: Call, verb: str, name: str, identifier: str) -> Json:
    """Store and return the operation of a change to `projects/P/global/networks/N`: done, unless these are slowed."""
    now, number = call.cloud.now(), str(secrets.randbelow(9 * 10**18) + 10**18)
    path = f"{place(call)}/operations/operation-{number}"
    region = call.path.get("region")
    operation = {
        "kind": "compute#operation",
        "id": number,
        "name": path.rpartition("/")[2],
        "operationType": verb,
        "targetLink": f"{base(call)}/{name}",
        "targetId": identifier,
        "status": "DONE",
        "user": "local@example.com",
        "progress": 100,
        "insertTime": now,
        "startTime": now,
        "endTime": now,
        "selfLink": f"{base(call)}/{path}",
        **({"region": f"{base(call)}/{place(call)}"} if region else {}),
        **due(call.cloud),
    }
    call.resources.put(KIND, path, operation)
    return _shown(call, operation)


def _shown(call: Call, operation: Json) -> Json:
    """Return an operation as clients see it: until it is due, as one under way."""
    shown = {name: value for name, value in operation.items() if name != DUE}
    if operation.get(DUE, "") <= call.cloud.now():
        return shown
    del shown["endTime"]
    return {**shown, "status": "RUNNING", "progress": 0}


OPERATIONS = ("compute.globalOperations", "compute.regionOperations")


@handles(*(f"{kind}.get" for kind in OPERATIONS))
def get(call: Call) -> Json:
    """Return one operation."""
    path = f"{place(call)}/operations/{call.path['operation']}"
    found = call.resources.get(KIND, path)
    if found is None:
        raise not_found(f"The resource '{path}' was not found", reason="notFound")
    return _shown(call, found)


@handles(*(f"{kind}.wait" for kind in OPERATIONS))
def wait(call: Call) -> Json:
    """Return an operation when it is done, or as it is when the time is over (30 s here)."""
    end = time.monotonic() + LONGEST_WAIT
    operation: Json = get(call)
    while operation["status"] != "DONE" and time.monotonic() < end and not call.cloud.stopping.wait(POLL_SECONDS):
        operation = get(call)
    return operation


@handles(*(f"{kind}.list" for kind in OPERATIONS))
def list_(call: Call) -> Json:
    """Return a place's operations, oldest first."""
    found = [_shown(call, body) for _, body in call.resources.list(KIND, f"{place(call)}/operations/")]
    return {"kind": "compute#operationList", "items": [], **generic.page(call, found, "items")}
