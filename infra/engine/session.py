"""One command on one stack: its settings, its state, its lock, and what it starts."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.engine import stack_config, state_file
from infra.engine.digest import Digest
from infra.engine.display import Display
from infra.engine.dynamic_server import DynamicServer
from infra.engine.errors import EngineError, StepError
from infra.engine.providers import Properties, Provider
from infra.engine.registry import Factory
from infra.engine.sealing import Sealer, passphrase, sealer_of
from infra.engine.stack_config import Project, StackConfig
from infra.engine.stack_references import StackReferences
from infra.engine.state import Snapshot
from infra.engine.wire import secret

PARALLEL = 16


@dataclass(frozen=True)
class Request:
    """A command and its flags."""

    command: str
    folder: Path
    stack: str
    yes: bool = False
    skip_preview: bool = False
    interactive: bool = False
    preview_only: bool = False
    refresh: bool = False
    expect_no_changes: bool = False
    json: bool = False
    show_secrets: bool = False
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    policy_packs: tuple[str, ...] = ()
    exclude_protected: bool = False
    file: str = ""
    name: str = ""
    urns: tuple[str, ...] = ()
    parallel: int = PARALLEL


@dataclass
class Session:
    """A stack opened for one command."""

    request: Request
    project: Project
    document: Mapping[str, Any]  # the stack's file
    started: float = field(default_factory=time.monotonic)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.request.stack

    @property
    def path(self) -> Path:
        """Where the state lies."""
        return state_file.state_path(self.project.root, self.project.name, self.stack)

    @property
    def seconds(self) -> float:
        """How long the command has run."""
        return time.monotonic() - self.started

    @cached_property
    def stored(self) -> Mapping[str, Any] | None:
        """The state's file as JSON; read when first asked for, so that a command can lock the stack before."""
        return state_file.read_deployment(self.path)

    @cached_property
    def sealer(self) -> Sealer:
        """The stack's own seal: of its file, else of its state, else a new one."""
        salt = str(self.document.get("encryptionsalt") or "") or state_file.salt_of(self.stored)
        return sealer_of(salt, passphrase())

    def prepare(self) -> None:
        """Begin to derive the stack's key, which a thread does while other things start."""
        _ = self.sealer

    @cached_property
    def config(self) -> StackConfig:
        """The stack's settings."""
        sealer = self.sealer if stack_config.has_secure_values(self.document) else None
        return stack_config.resolve(self.project, self.document, sealer)

    def load(self) -> Snapshot:
        """Return the state, opened."""
        return state_file.load(self.stored, self.sealer)

    def save(self, snapshot: Snapshot) -> None:
        """Write the state."""
        state_file.write_atomically(self.path, state_file.dump(snapshot, self.sealer))

    def locked(self) -> AbstractContextManager[None]:
        """Keep other engines off the stack."""
        return state_file.locked(self.path)

    def digest(self, preview: bool) -> Digest:
        """Return the watcher of a deployment; standard output is free for JSON where that is asked for."""
        return Digest(Display(sys.stderr if self.request.json else sys.stdout, preview))


def open_session(request: Request) -> Session:
    """Find the project and the stack that a command names."""
    project = stack_config.find_project(request.folder.resolve())
    has_state = state_file.state_path(project.root, project.name, request.stack).exists()
    return Session(request, project, stack_config.read_stack_config(project, request.stack, has_state))


# Provider settings that Pulumi's schema of gcp calls secret.
SECRET_SETTINGS = {"gcp": {"accessToken", "credentials"}}
GOOGLE = "googleapis.com"


def default_inputs(config: StackConfig) -> Callable[[str, str], Properties]:
    """Return what gives a default provider its inputs: the stack's settings for its package."""

    def inputs(package: str, version: str) -> Properties:
        if package == "pulumi-python":
            return {key: secret(value) if key in config.secrets else value for key, value in config.values.items()}
        hidden = SECRET_SETTINGS.get(package, set())
        found: Properties = {"__internal": {}}
        for key, value in config.values.items():
            namespace, _, name = key.partition(":")
            if namespace == package:
                found[name] = secret(value) if name in hidden or key in config.secrets else value
        if package == "gcp":
            check_local({key: value for key, value in found.items() if isinstance(value, str)})
        return {**found, "version": version} if version else found

    return inputs


def check_local(settings: Mapping[str, str]) -> None:
    """Refuse settings of gcp that reach Google.

    Raises:
        StepError: this engine serves local stacks only.
    """
    endpoints = [value for key, value in settings.items() if key.endswith("CustomEndpoint")]
    if endpoints and not any(GOOGLE in endpoint for endpoint in endpoints):
        return
    msg = "the stack reaches Google Cloud, and the embedded engine serves local stacks only. Use the Pulumi CLI"
    raise StepError(msg)


def refuse_google(session: Session) -> None:
    """Refuse a stack whose settings reach Google, before anything starts."""
    settings = {
        key.removeprefix("gcp:"): value for key, value in session.config.values.items() if key.startswith("gcp:")
    }
    if settings:
        try:
            check_local(settings)
        except StepError as error:
            command = f"pulumi {session.request.command} --stack {session.stack}"
            msg = f"Stack {session.stack!r} reaches Google Cloud; this engine serves local stacks. Run: {command}"
            raise EngineError(msg) from error


def factories(session: Session, server: DynamicServer) -> dict[str, Factory]:
    """Return what makes the providers of each package; each imports its own when it is wanted."""

    def make_dynamic(config: Mapping[str, Any]) -> Provider:
        from infra.engine.dynamic_provider import DynamicProvider  # noqa: PLC0415

        return DynamicProvider(server, config)

    def make_gcp(config: Mapping[str, Any]) -> Provider:
        check_local({key: str(value) for key, value in config.items()})
        from infra.engine.gcp import GcpProvider  # noqa: PLC0415

        return GcpProvider({key: str(value) for key, value in config.items()})

    def make_references(_config: Mapping[str, Any]) -> Provider:
        return StackReferences(session.project.root, session.project.name, session.sealer)

    return {"gcp": make_gcp, "pulumi": make_references, "pulumi-python": make_dynamic}
