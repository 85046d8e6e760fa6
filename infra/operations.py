"""Google's long-running operations: followed to their end, with a time limit and a progress callback."""

import time
from collections.abc import Callable
from typing import Any

from infra.google_client import HTTP_STATUS, Connection, Json, PredictionApiError, client, execute, refusal

Progress = Callable[[Json], None]

OPERATION_LIMIT = 1800.0  # seconds; deploying a model takes Vertex AI 5 to 20 minutes
TOLD_EVERY = 30.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between two looks


def told(what: str) -> Progress:
    """Make a progress that prints one line every half minute; an engine shows what a resource's provider prints."""
    began = time.monotonic()
    said = 0.0

    def tell(state: Json) -> None:
        nonlocal said
        passed = time.monotonic() - began
        if passed - said >= TOLD_EVERY and not state.get("done"):
            said = passed
            print(f"{what}: under way for {passed:.0f} s, at most {OPERATION_LIMIT / 60:.0f} minutes", flush=True)

    return tell


def wait_operation(
    connection: Connection,
    operation: Json,
    resource: str,
    limit: float = OPERATION_LIMIT,
    progress: Progress | None = None,
) -> Json:
    """Follow an operation to its end and return its response; `progress` gets it at each look.

    Raises:
        PredictionApiError: it failed, or was not done within `limit` seconds (it goes on at Google then).
    """
    done = follow(
        lambda: execute(connection, _get(connection, operation["name"]), operation["name"]),
        lambda state: bool(state.get("done")),
        operation,
        limit,
        progress,
    )
    if done is None:
        msg = f"{resource}: operation {operation['name']} is not done after {limit:.0f} s. Run again to go on with it"
        raise PredictionApiError(msg)
    if "error" in done:
        status = HTTP_STATUS.get(int(done["error"].get("code", 0)), 500)
        raise refusal(connection, status, done["error"], resource)
    response: Json = done.get("response", {})
    return response


def follow(
    look: Callable[[], Json], done: Callable[[Json], bool], state: Json, limit: float, progress: Progress | None = None
) -> Json | None:
    """Look at something until it is done; None where `limit` seconds were not enough."""
    deadline = time.monotonic() + limit
    pause = FIRST_PAUSE
    while True:
        if progress:
            progress(state)
        if done(state):
            return state
        if time.monotonic() + pause > deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
        state = look()


def claim(make: Callable[[], Json], find: Callable[[], Json | None], resource: str, limit: float) -> Json:
    """Return what stands, or make it; where an interrupted run's making of it is still under way, wait for that.

    Raises:
        PredictionApiError: making it was refused, or it is neither there nor free to make after `limit` seconds.
    """

    def attempt() -> Json:
        try:
            return find() or make()
        except PredictionApiError as error:
            if error.status == 409:
                return {}
            raise

    made = follow(attempt, bool, attempt(), limit)
    if not made:
        msg = f"{resource} is being made or deleted by someone else for {limit:.0f} s. Wait for it, then run: invoke up"
        raise PredictionApiError(msg, 409)
    return made


def _get(connection: Connection, name: str) -> Any:
    """Make the request for an operation: it lives below the resource that it works on."""
    collections = name.split("/")[2:-2:2]  # projects/P/[locations]/L/[models]/M/operations/O
    resource = client(connection).projects()
    for collection in collections:
        resource = getattr(resource, collection)()
    return resource.operations().get(name=name)
