"""The local cloud's HTTP server: health, storage's own paths, and every API of the discovery documents."""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from infra.emulator import admin, admin_state, apis
from infra.emulator.bodies import read_body
from infra.emulator.calls import HANDLERS, START_HOOKS, STOP_HOOKS, Cloud
from infra.emulator.dispatch import Incoming, answer, is_api, json_response, refusal
from infra.emulator.errors import ApiError, not_found
from infra.emulator.front import Front
from infra.emulator.request_log import RequestLog
from infra.emulator.unforeseen import unforeseen

VERSION = "1"
THREADS = 64  # handlers that wait (predictions, operations) must not hold up the rest
VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Options:
    """How the server treats requests: the token it demands ("" = none), whether unknown names only warn, the log."""

    token: str = ""
    lenient: bool = False
    log: RequestLog = field(default_factory=lambda: RequestLog(None))


def application(cloud: Cloud, options: Options) -> Front:
    """Make the ASGI application of a cloud."""
    application = Starlette(
        routes=_routes(),
        exception_handlers={HTTPException: _refused, Exception: _unforeseen},
        lifespan=_lifespan(cloud),
    )
    application.state.cloud = cloud
    application.state.lenient = options.lenient
    application.state.began = time.monotonic()
    application.router.redirect_slashes = False  # `anywhereCaches/` is an address of its own
    application.state.log = options.log
    application.state.front = front = Front(application, cloud, options.token, options.log)
    return front


def _routes() -> list[BaseRoute]:
    """Order the routes: storage's own paths, then the APIs, then what may be `/<bucket>/<object>`."""
    anything = [route for route in apis.ROUTES if route.path.startswith("/{")]
    named = [route for route in apis.ROUTES if route not in anything]
    return [
        Route("/healthz", health),
        *admin.ROUTES,
        *admin_state.ROUTES,
        Route("/healthz", nowhere, methods=VERBS),  # no bucket of this name
        Route("/_local/{path:path}", nowhere, methods=VERBS),
        *named,
        ApiRoute("/{path:path}", api, methods=VERBS),
        *anything,
        _last(),
    ]


class ApiRoute(Route):
    """A route that takes what the discovery documents have an address for, whatever a name in it holds."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave `/<bucket>/<object>` to the routes behind."""
        if scope["type"] == "http" and is_api(scope["path"]):
            return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}
        return Match.NONE, {}


def _last() -> Route:
    return Route("/{path:path}", nowhere, methods=VERBS)


async def api(request: Request) -> Response:
    """Hand a request to its handler, in a thread."""
    try:
        body = await read_body(request.receive, request.headers)
    except ApiError as error:
        return refusal(error)
    scope, headers = request.scope, dict(request.headers)
    path = scope["raw_path"].decode("latin-1")
    incoming = Incoming(request.method, path, scope["query_string"].decode(errors="replace"), headers, body)
    state = request.app.state
    return await run_in_threadpool(answer, state.cloud, incoming, lenient=state.lenient)


async def _refused(_: Request, error: Exception) -> Response:
    """Answer what the router refuses (a wrong verb on a path of its own) in Google's envelope."""
    code = error.status_code if isinstance(error, HTTPException) else 501
    return refusal(ApiError(code, getattr(error, "detail", str(error))))


async def _unforeseen(request: Request, error: Exception) -> Response:
    """Answer 501 where a raw route fails: clients repeat 500 for minutes. The server logs the traceback."""
    return refusal(unforeseen(error, f"{request.method} {request.url.path}"))


async def nowhere(request: Request) -> Response:
    """Answer what no API has."""
    return refusal(not_found(f"The requested URL {request.url.path} was not found on this server.", reason="notFound"))


async def health(request: Request) -> Response:
    """Say that the cloud is up, which one it is, and how much it holds."""
    state = request.app.state
    cloud: Cloud = state.cloud
    counts = dict(
        await run_in_threadpool(cloud.resources.execute, "SELECT kind, count(*) FROM resources GROUP BY kind")
    )
    body = {
        "status": "ok",
        "version": VERSION,
        "pid": os.getpid(),
        "url": cloud.url,
        "state": str(cloud.state),
        "uptimeSeconds": round(time.monotonic() - state.began, 3),
        "log": str(state.log.path or ""),
        "inFlight": len(state.front.gate.inside),
        "methods": len(HANDLERS),
        "resources": counts,
    }
    return json_response(body)


def _lifespan(cloud: Cloud) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        for hook in START_HOOKS:
            await run_in_threadpool(hook, cloud)
        try:
            yield
        finally:
            for hook in STOP_HOOKS:
                await run_in_threadpool(hook, cloud)

    return lifespan
