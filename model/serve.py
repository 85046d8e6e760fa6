"""Exported model -> online predictions over HTTP: the container Vertex AI runs, and the process the local cloud runs.

Configured as Vertex AI configures a container: AIP_STORAGE_URI, AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE;
AIP_HTTP_HOST is ours (default: every interface, which a container needs).
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.classic_online import classic_predictor
from model.lifetime import die_with, starter
from model.model_folder import local_folder
from model.online import PredictError, error_body, predictor
from model.runner import load
from model.signature import UnusableModelError, read_signature

USAGE = """usage: AIP_STORAGE_URI=build/saved_model/decorator python -m model.serve [--die-with-parent]

AIP_STORAGE_URI    the model: a folder, or gs://bucket/prefix
AIP_HTTP_PORT      default 8080; 0 takes a free port. `ready http://…` is printed when requests are answered
AIP_HTTP_HOST      default 0.0.0.0
AIP_HEALTH_ROUTE   default /health
AIP_PREDICT_ROUTE  default /predict
AIP_SIGNATURE      default serving_default
AIP_DIALECT        ai-platform: its signatures by name and its error texts; gradients: what `explain` asks for"""
CLASSIC, GRADIENTS = "ai-platform", "gradients"
DRAIN_SECONDS = 60  # as long as the service itself waits for an answer


class Answering(Protocol):
    """A loaded model that answers requests."""

    def answer(self, body: bytes) -> bytes:
        """Return the answer's body; raises PredictError."""
        ...


@dataclass(frozen=True)
class Address:
    """Where the server listens, and on which paths it answers."""

    host: str
    port: int
    health: str
    predict: str


def read_address(environment: Mapping[str, str]) -> Address:
    """Return the address that the environment asks for.

    Raises:
        ValueError: the port is no number between 0 and 65535.
    """
    port = environment.get("AIP_HTTP_PORT") or "8080"
    if not port.isdecimal() or int(port) > 65535:
        msg = f"AIP_HTTP_PORT is {port!r}: expected a number from 0 to 65535"
        raise ValueError(msg)
    return Address(
        environment.get("AIP_HTTP_HOST") or "0.0.0.0",  # noqa: S104 - a container must be reachable from outside
        int(port),
        environment.get("AIP_HEALTH_ROUTE") or "/health",
        environment.get("AIP_PREDICT_ROUTE") or "/predict",
    )


def application(model: Answering, address: Address) -> Starlette:
    """Return the server's two routes."""

    async def health(_request: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    async def predict(request: Request) -> Response:
        body = await request.body()
        try:
            return Response(await run_in_threadpool(model.answer, body), media_type="application/json")
        except PredictError as error:
            return Response(error_body(str(error)), status_code=400, media_type="application/json")

    return Starlette(routes=[Route(address.health, health), Route(address.predict, predict, methods=["POST"])])


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Serve until SIGTERM, which lets requests in flight finish; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    environment = os.environ if environment is None else environment
    uri = environment.get("AIP_STORAGE_URI")
    if unknown := [argument for argument in arguments if argument != "--die-with-parent"]:
        print(USAGE, file=sys.stdout if "--help" in unknown else sys.stderr)
        return 0 if "--help" in unknown else 2
    if not uri:
        print(f"AIP_STORAGE_URI is not set\n{USAGE}", file=sys.stderr)
        return 2
    if "--die-with-parent" in arguments:
        die_with(starter())
    # uvicorn raises the signal again after draining: this makes it a clean end, and an early one while the model loads.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        address = read_address(environment)
        listener = _listen(address)
        model = _load(uri, environment.get("AIP_SIGNATURE") or "serving_default", environment.get("AIP_DIALECT", ""))
    except (ValueError, UnusableModelError) as error:
        print(error, file=sys.stderr)
        return 2
    _serve(application(model, address), listener)
    return 0


def _listen(address: Address) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        msg = f"Cannot listen on {address.host}:{address.port}: {error.strerror}. Choose another AIP_HTTP_PORT"
        raise ValueError(msg) from None
    return listener


def _load(uri: str, name: str, dialect: str) -> Answering:
    folder = local_folder(uri)
    if dialect == GRADIENTS:
        from model.gradients import gradient_predictor  # noqa: PLC0415 - TensorFlow's Python package takes seconds

        return gradient_predictor(folder, name)
    if dialect == CLASSIC:
        return classic_predictor(folder)
    signature = read_signature(folder, name)
    return predictor(signature, load(folder, signature))


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        print(f"ready http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}", flush=True)  # noqa: S104


def _serve(app: Starlette, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=DRAIN_SECONDS
    )
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
