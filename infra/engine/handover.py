"""A stack's outputs and state handed to people, scripts and the Pulumi CLI, and taken back."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.engine import state_file
from infra.engine import urn as names
from infra.engine.errors import EngineError
from infra.engine.sealing import opened
from infra.engine.session import Request, Session, open_session
from infra.engine.state import Snapshot
from infra.engine.wire import masked, plain


def again(session: Session, command: str) -> str:
    """Write a command line for the stack."""
    return f"python -m infra.engine {command} --stack {session.stack}"


def output(request: Request) -> int:
    """Print the stack's outputs, or one of them."""
    session = open_session(request)
    outputs = _outputs(session)
    if not request.name:
        if request.json:
            print(json.dumps(outputs, ensure_ascii=False))
        for key, value in () if request.json else sorted(outputs.items()):
            print(f"{key}  {_text(value)}")
        return 0
    if request.name not in outputs:
        msg = f"Stack {session.stack!r} has no output {request.name!r}. It has: {', '.join(sorted(outputs)) or 'none'}"
        raise EngineError(msg)
    value = outputs[request.name]
    print(json.dumps(value, ensure_ascii=False) if request.json else _text(value))
    return 0


def export(request: Request) -> int:
    """Write the state as a deployment that `pulumi stack import` takes."""
    session = open_session(request)
    document: Mapping[str, Any] = session.stored or state_file.dump(Snapshot(), session.sealer)
    if request.show_secrets:
        document = state_file.with_plain_secrets(opened(document, session.sealer, ""))
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if not request.file:
        print(text)
        return 0
    try:
        Path(request.file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"Cannot write {request.file!r}: {error.strerror}"
        raise EngineError(msg) from error
    return 0


def import_(request: Request) -> int:
    """Take a deployment that `pulumi stack export` wrote as the stack's state."""
    session = open_session(request)
    document = state_file.check_deployment(_read_json(request.file), request.file or "standard input")
    with session.locked():
        snapshot = state_file.load(document, session.sealer)
        state_file.check_sound(snapshot, session.project.name, session.stack)
        session.save(snapshot)
    print(f"Imported {len(snapshot.resources)} resources into stack {session.stack}", file=sys.stderr)
    return 0


def _outputs(session: Session) -> dict[str, Any]:
    rows = ((session.stored or {}).get("deployment") or {}).get("resources") or []
    if not rows:
        msg = f"Stack {session.stack!r} has nothing yet. Run: {again(session, 'up')}"
        raise EngineError(msg)
    sealed: dict[str, Any] = next((row.get("outputs") or {} for row in rows if row["type"] == names.STACK_TYPE), {})
    if not session.request.show_secrets:
        found: dict[str, Any] = masked(sealed)
        return found
    revealed: dict[str, Any] = plain(opened(sealed, session.sealer, ""))
    return revealed


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read_json(file: str) -> Any:
    try:
        return json.loads(Path(file).read_bytes() if file else sys.stdin.buffer.read())
    except (OSError, ValueError) as error:
        msg = f"Cannot read a deployment from {file or 'standard input'!r}: {error}"
        raise EngineError(msg) from error
