"""`/_local/snapshots` and `/_local/reset`: the whole state kept, brought back, emptied."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.emulator import snapshots
from infra.emulator.admin import endpoint, only, parsed
from infra.emulator.bodies import read_body
from infra.emulator.calls import Cloud
from infra.emulator.dispatch import json_response, refusal
from infra.emulator.errors import ApiError
from infra.emulator.resources import Json
from infra.emulator.unforeseen import unforeseen


def take(cloud: Cloud, body: Json, _: dict[str, str]) -> Json:
    """Keep the state under `name`."""
    only(body, "name")
    return snapshots.take(cloud, str(body.get("name", "")))


def list_(cloud: Cloud, _: Json, __: dict[str, str]) -> Json:
    """Return the snapshots there are."""
    return {"snapshots": snapshots.known(cloud)}


def remove(cloud: Cloud, _: Json, path: dict[str, str]) -> Json:
    """Forget a snapshot."""
    return snapshots.remove(cloud, path["snapshot"])


async def restore(request: Request) -> Response:
    """Bring a snapshot back."""
    name = request.path_params["snapshot"]
    return await _alone(request, lambda cloud: snapshots.restore(cloud, name))


async def reset(request: Request) -> Response:
    """Empty the state; snapshots stay."""

    def empty(cloud: Cloud) -> Json:
        snapshots.replace(cloud, None)
        return {"reset": True}

    return await _alone(request, empty)


async def _alone(request: Request, action: Any) -> Response:
    """Do something while no other request is under way."""
    state = request.app.state
    try:
        only(parsed(await read_body(request.receive, request.headers)))
        async with state.front.gate.quiet():
            return json_response(await run_in_threadpool(action, state.cloud))
    except ApiError as error:
        return refusal(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return refusal(unforeseen(error, f"{request.method} {request.url.path}"))


ROUTES = [
    Route("/_local/snapshots", endpoint(list_), methods=["GET"]),
    Route("/_local/snapshots", endpoint(take), methods=["POST"]),
    Route("/_local/snapshots/{snapshot}", endpoint(remove), methods=["DELETE"]),
    Route("/_local/snapshots/{snapshot}/restore", restore, methods=["POST"]),
    Route("/_local/reset", reset, methods=["POST"]),
]
