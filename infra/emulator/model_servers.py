"""Deployed models -> running model servers: one child process each, started in the background, restarted when lost."""

import http.client
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path

from infra.emulator.calls import Cloud, on_start, on_stop
from infra.emulator.errors import ApiError, failed_precondition
from infra.emulator.jobs import Process, kill, last_line, start_server, stop

READY = "ready http://"
READY_SECONDS = 300.0  # the service gives a server 40 minutes; a local one that loads for five is broken
PREDICT_SECONDS = 60.0  # the service's limit for an online prediction
DRAIN_SECONDS = 10.0
POLL_SECONDS = 0.05
NEVER_READY = (
    "Error: model server never became ready. Please validate that your model file or container configuration are valid."
)


@dataclass(frozen=True)
class Launch:
    """How a deployed model's server is started: its environment, its routes, the folder of its logs, how late."""

    folder: Path
    environment: Mapping[str, str]
    health_route: str
    predict_route: str
    delay: float = 0.0  # seconds: a slow start that was asked for


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    process: Process
    address: str


_pool = ThreadPoolExecutor(thread_name_prefix="model-server")
_lock = threading.Lock()
_stopping = threading.Event()
_servers: dict[str, tuple[Launch, Future[Running]]] = {}


def start(key: str, launch: Launch, *, shared: bool = False) -> Future[Running]:
    """Start the server of a deployed model, in the background; the future fails with why it never became ready.

    A shared one that runs, or is being started, is not started again.
    """
    with _lock:
        _, running = _servers.get(key, (None, None))
        if shared and running and not (running.done() and running.exception()):
            return running
        future = _pool.submit(_launch, launch)
        _servers[key] = (launch, future)
        return future


def slow_start(cloud: Cloud, method: str) -> float:
    """Return by how many seconds a fault that was asked for makes the server late that a method starts."""
    return sum(fault.seconds for fault, _ in cloud.faults.strike("slowStart", method))


def known(key: str) -> bool:
    """Tell whether a server runs, or starts, under this name."""
    return key in _servers


def stopping() -> bool:
    """Tell whether the cloud is about to end: what is lost now is started again with it."""
    return _stopping.is_set()


def remove(key: str, only: Future[Running] | None = None) -> None:
    """Stop a deployed model's server once it has answered what it was asked; with `only`, no other than that one."""
    with _lock:
        if only and _servers.get(key, (None, None))[1] is not only:
            return
        launch, future = _servers.pop(key, (None, None))
    if launch and future:
        _pool.submit(_end, launch, future)


def predict(key: str, body: bytes, patience: float = PREDICT_SECONDS) -> tuple[int, bytes]:
    """Ask a server, waiting until it is ready, `patience` seconds at most; one that died is started again, once."""
    for attempt in (1, 2):
        launch, running = _running(key, patience)
        try:
            return _request(running.address, "POST", launch.predict_route, body)
        except TimeoutError as error:
            raise ApiError(
                504, f"The model server did not answer in {PREDICT_SECONDS:g} s.", "DEADLINE_EXCEEDED"
            ) from error
        except (OSError, http.client.HTTPException):
            if attempt == 1:
                _replace(key, launch, running)
    raise failed_precondition(f"The model server of {key} ends without an answer. Its log: {launch.folder / 'stderr'}")


def _running(key: str, patience: float) -> tuple[Launch, Running]:
    launch, future = _servers.get(key, (None, None))
    if launch is None or future is None:
        raise failed_precondition(f"The deployed model {key} has no server. Deploy it again.")
    try:
        return launch, future.result(patience)
    except FutureTimeoutError as error:
        raise ApiError(504, "The model server is not ready yet.", "DEADLINE_EXCEEDED") from error


def _replace(key: str, launch: Launch, lost: Running) -> None:
    """Start a server again, unless another request already did."""
    kill(lost.process)
    with _lock:
        current = _servers.get(key)
        if current and current[1].done() and current[1].result() is lost:
            _servers[key] = (launch, _pool.submit(_launch, launch))


def _launch(launch: Launch) -> Running:
    if _stopping.wait(launch.delay):
        raise failed_precondition(NEVER_READY)
    shutil.rmtree(launch.folder, ignore_errors=True)
    process = start_server(_environment(launch), launch.folder)
    try:
        return Running(process, _wait_ready(launch, process))
    except BaseException:
        kill(process)
        raise


def _environment(launch: Launch) -> dict[str, str]:
    """Return a server's whole environment: it takes a free port of this machine, and has the launch's routes."""
    return {
        **launch.environment,
        "AIP_HTTP_HOST": "127.0.0.1",
        "AIP_HTTP_PORT": "0",
        "AIP_HEALTH_ROUTE": launch.health_route,
        "AIP_PREDICT_ROUTE": launch.predict_route,
    }


def _wait_ready(launch: Launch, process: Process) -> str:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None and not _stopping.is_set():
        address = _ready_address(launch.folder / "stdout")
        if address and _healthy(address, launch.health_route):
            return address
        time.sleep(POLL_SECONDS)
    reason = last_line(launch.folder / "stderr") or f"It ended with exit code {process.poll()}."
    raise failed_precondition(f"{NEVER_READY} {reason}")


def _ready_address(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")[:-1]  # the last one may be half written
    return next((line.removeprefix(READY).strip() for line in lines if line.startswith(READY)), "")


def _healthy(address: str, route: str) -> bool:
    try:
        return _request(address, "GET", route)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _request(address: str, verb: str, route: str, body: bytes = b"") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=PREDICT_SECONDS)
    try:
        connection.request(verb, route, body or None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _end(launch: Launch, future: Future[Running]) -> None:
    if not future.cancel() and future.exception() is None:
        stop(future.result().process, DRAIN_SECONDS)
    with _lock:  # one that was started again under the same name meanwhile has the same folder
        if all(other.folder != launch.folder for other, _ in _servers.values()):
            shutil.rmtree(launch.folder, ignore_errors=True)


@on_start
def allow(_cloud: Cloud) -> None:
    """Let servers be started."""
    _stopping.clear()


@on_stop
def stop_all(_cloud: Cloud) -> None:
    """End every server."""
    _stopping.set()
    with _lock:
        futures = [future for _, future in _servers.values()]
        _servers.clear()
    for future in futures:
        if not future.cancel() and future.exception() is None:
            kill(future.result().process)
