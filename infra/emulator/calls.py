"""One API call: what a handler is given, and the table of handlers by discovery method id."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.emulator import clock
from infra.emulator.faults import Faults
from infra.emulator.resources import Json, Resources

PROJECT_NUMBER = "123456789012"  # every local project has this number; clients only need it to be stable


@dataclass(frozen=True)
class Cloud:
    """What outlives a call: the resources, the folder of the state, the address clients reach."""

    resources: Resources
    state: Path
    url: str
    seed: int = 0
    parity: bool = False  # batch jobs fail whole batches, as the services do
    strict: bool = False  # callers need a token and permissions, projects their APIs enabled
    operation_seconds: float = 0.0  # how long operations that are done at once still look under way
    faults: Faults = field(default_factory=Faults)
    stopping: threading.Event = field(default_factory=threading.Event)  # set at once when the process is told to end

    def now(self) -> str:
        """Return the time of the local cloud's clock as Google writes it: RFC 3339 in UTC with microseconds."""
        return clock.text(clock.now(self.resources))


@dataclass(frozen=True)
class Call:
    """A checked request: `path` and `query` by the discovery document's parameter names, `body` as JSON."""

    cloud: Cloud
    method: str  # discovery id: aiplatform.projects.locations.models.upload
    api: str
    version: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, list[str]] = field(default_factory=dict)
    body: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""  # the body as it came: what rawPredict takes need not be JSON

    def parameter(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return (self.query.get(name) or [default])[0]

    @property
    def resources(self) -> Resources:
        """The cloud's resources."""
        return self.cloud.resources


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}


def handles(*method_ids: str) -> Callable[[Handler], Handler]:
    """Register a function for discovery method ids; the same id serves every version of its API."""

    def register(handler: Handler) -> Handler:
        for method_id in method_ids:
            if method_id in HANDLERS:
                msg = f"{method_id} has two handlers: {HANDLERS[method_id].__name__} and {handler.__name__}"
                raise ValueError(msg)
            HANDLERS[method_id] = handler
        return handler

    return register


Hook = Callable[[Cloud], None]
START_HOOKS: list[Hook] = []
STOP_HOOKS: list[Hook] = []


def on_start(hook: Hook) -> Hook:
    """Register a function that the server calls once before it says ready (resume jobs, start model servers)."""
    START_HOOKS.append(hook)
    return hook


def on_stop(hook: Hook) -> Hook:
    """Register a function that the server calls once when it stops (end child processes)."""
    STOP_HOOKS.append(hook)
    return hook
