"""A stack's state on disk: .local/stacks/PROJECT/STACK.json, Pulumi's deployment format, written atomically."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from infra.engine import urn as names
from infra.engine.errors import EngineError
from infra.engine.sealing import Sealer, opened, passphrase, sealed, sealer_of
from infra.engine.state import (
    PendingOperation,
    ResourceState,
    Snapshot,
    now,
    resource_from_json,
    resource_to_json,
)
from infra.engine.wire import SECRET, SIGNATURE, signed

VERSION = 3


def state_path(root: Path, project: str, stack: str) -> Path:
    """Return where a project keeps a stack's state."""
    return root / ".local" / "stacks" / project / f"{stack}.json"


def read_deployment(path: Path) -> dict[str, Any] | None:
    """Read the file as JSON; None where the stack has no state yet."""
    try:
        return check_deployment(orjson.loads(path.read_bytes()), str(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"Cannot read the state {str(path)!r}: {error}"
        raise EngineError(msg) from error


def check_deployment(document: Any, source: str) -> dict[str, Any]:
    """Refuse what is not a deployment of version 3."""
    if not isinstance(document, dict) or not isinstance(document.get("deployment"), dict):
        msg = f"{source!r} is no deployment. Make one with: pulumi stack export --file {source}"
        raise EngineError(msg)
    if document.get("version") != VERSION:
        msg = f"{source!r} is a deployment of version {document.get('version')!r}; this engine reads version {VERSION}"
        raise EngineError(msg)
    return document


def salt_of(document: Mapping[str, Any] | None) -> str:
    """Return the salt that a state's secrets are sealed with; empty where it names none."""
    provider = ((document or {}).get("deployment") or {}).get("secrets_providers") or {}
    kind = provider.get("type", "passphrase")
    if kind != "passphrase":
        msg = f"The state's secrets are sealed by {kind!r}; this engine opens those of a passphrase"
        raise EngineError(msg)
    return str((provider.get("state") or {}).get("salt", ""))


def load(document: Mapping[str, Any] | None, sealer: Sealer) -> Snapshot:
    """Open a deployment; secrets under another salt than the sealer's are opened with theirs."""
    if document is None:
        return Snapshot()
    deployment = document["deployment"]
    salt = salt_of(document)
    opener = sealer if salt == sealer.salt else sealer_of(salt, passphrase()) if salt else None
    rows = [_opened_row(row, opener) for row in deployment.get("resources") or []]
    pending = [
        PendingOperation(item["type"], _opened_row(item["resource"], opener))
        for item in deployment.get("pending_operations") or []
    ]
    known = {"manifest", "secrets_providers", "resources", "pending_operations"}
    extra = {key: value for key, value in deployment.items() if key not in known}
    return Snapshot(tuple(rows), tuple(pending), extra)


def _opened_row(row: Mapping[str, Any], opener: Sealer | None) -> ResourceState:
    try:
        state = resource_from_json(row)
    except KeyError as error:
        msg = f"A resource of the state has no {error.args[0]!r}: {json.dumps(row)[:200]}"
        raise EngineError(msg) from error
    return replace(
        state,
        inputs=opened(state.inputs, opener, f"{state.urn} inputs"),
        outputs=opened(state.outputs, opener, f"{state.urn} outputs"),
    )


def dump(snapshot: Snapshot, sealer: Sealer) -> dict[str, Any]:
    """Write a deployment, its secrets sealed."""
    deployment: dict[str, Any] = {
        "manifest": {"time": now(), "magic": "", "version": ""},
        "secrets_providers": {"type": "passphrase", "state": {"salt": sealer.salt}},
        "resources": [_sealed_row(state, sealer) for state in snapshot.resources],
    }
    if snapshot.pending:
        deployment["pending_operations"] = [
            {"resource": _sealed_row(item.resource, sealer), "type": item.kind} for item in snapshot.pending
        ]
    return {"version": VERSION, "deployment": {**deployment, **snapshot.extra}}


def _sealed_row(state: ResourceState, sealer: Sealer) -> dict[str, Any]:
    return resource_to_json(
        replace(
            state,
            inputs=sealed(state.inputs, sealer, f"{state.urn} inputs"),
            outputs=sealed(state.outputs, sealer, f"{state.urn} outputs"),
        )
    )


def with_plain_secrets(value: Any) -> Any:
    """Show open secrets in an export as the CLI's `--show-secrets` does."""
    if isinstance(value, dict):
        if signed(value, SECRET):
            return {SIGNATURE: SECRET, "plaintext": json.dumps(value.get("value"))}
        return {key: with_plain_secrets(item) for key, item in value.items()}
    return [with_plain_secrets(item) for item in value] if isinstance(value, list) else value


def write_atomically(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file as a whole: a reader, or a kill at any moment, finds the old or the new one."""
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        msg = f"Cannot write the state {str(path)!r}: {error.strerror}. Give the folder to this user"
        raise EngineError(msg) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the stack for one engine; the kernel drops the lock of a process that dies."""
    lock = path.with_suffix(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    except OSError as error:
        msg = f"Cannot lock the stack at {str(lock)!r}: {error.strerror}. Give the folder to this user"
        raise EngineError(msg) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"Stack {path.stem!r} is in use by process {_holder(lock)}. Wait until it ends, then run this again"
            raise EngineError(msg) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _holder(lock: Path) -> str:
    return lock.read_text(encoding="utf-8").strip() or "that has just started"


def check_sound(snapshot: Snapshot, project: str, stack: str) -> None:
    """Refuse a state that belongs to another stack, or lists a resource before what it builds on."""
    seen: set[str] = set()
    for state in snapshot.resources:
        owner = (names.project_of(state.urn), names.stack_of(state.urn)) if names.is_urn(state.urn) else ("?", "?")
        if owner != (project, stack):
            msg = f"{state.urn!r} is not of project {project!r}, stack {stack!r}. Import it with --stack {owner[1]}"
            raise EngineError(msg)
        missing = {names.referred(state.provider), state.parent, *state.dependencies} - seen - {""}
        if missing and not state.delete:
            msg = f"{state.urn!r} stands before {sorted(missing)[0]!r}, which it needs: the deployment is damaged"
            raise EngineError(msg)
        seen.add(state.urn)
