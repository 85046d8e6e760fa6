"""The engine's commands: what each does, in order, and what it says."""

import json
import sys
from collections.abc import Callable
from typing import Any

from infra.engine import urn as names
from infra.engine.digest import Digest, preview_json
from infra.engine.errors import EngineError
from infra.engine.handover import again, export, import_, output
from infra.engine.host import Program
from infra.engine.running import EXIT_INTERRUPTED, run_destroy, run_program, run_refresh
from infra.engine.session import Request, Session, open_session, refuse_google
from infra.engine.state import ResourceState, Snapshot
from infra.engine.state_edits import edit_state
from infra.engine.steps import Tally
from infra.engine.wire import MASK, masked


def up(request: Request) -> int:
    """Bring the stack to what the program declares."""
    session = open_session(request)
    refuse_google(session)
    with session.locked():
        digest = session.digest(preview=False)
        program = _start(session, digest)
        snapshot = _opened(session, digest)
        if request.refresh:
            refreshed = run_refresh(session, snapshot, digest, preview=False)
            snapshot = refreshed.ledger.snapshot()
            if not refreshed.tally.ok:
                program.end()
                return _finish(session, digest, refreshed.tally, snapshot, "Refresh")
        if _asks(request) and not request.skip_preview:
            shown_first = session.digest(preview=True)
            tally = run_program(session, snapshot, shown_first, _start(session, shown_first), preview=True).tally
            shown_first.summary(tally, session.seconds, "Preview")
            if not tally.ok or not _confirmed(f"Update stack {session.stack}?"):
                program.end()
                return int(not tally.ok)
        deployment = run_program(session, snapshot, digest, program, preview=False)
        return _finish(session, digest, deployment.tally, deployment.ledger.snapshot(), "Update")


def preview(request: Request) -> int:
    """Show what `up` would do."""
    session = open_session(request)
    refuse_google(session)
    digest = session.digest(preview=True)
    program = _start(session, digest)
    snapshot = _opened(session, digest)
    if request.refresh:
        snapshot = run_refresh(session, snapshot, session.digest(preview=True), preview=True).ledger.snapshot()
    tally = run_program(session, snapshot, digest, program, preview=True).tally
    digest.summary(tally, session.seconds, "Preview")
    if request.json:
        print(json.dumps(preview_json(digest, tally, _shown_config(session), session.seconds)))
    return _code(session, tally)


def refresh(request: Request) -> int:
    """Bring the state to what really stands, or only report how they differ."""
    session = open_session(request)
    with session.locked():
        digest = session.digest(request.preview_only)
        snapshot = _opened(session, digest)
        if _asks(request) and not request.preview_only and not request.skip_preview:
            shown_first = session.digest(preview=True)
            tally = run_refresh(session, snapshot, shown_first, preview=True).tally
            shown_first.summary(tally, session.seconds, "Preview")
            if not tally.changed or not _confirmed("Enter this into the state?"):
                return _code(session, tally)
        deployment = run_refresh(session, snapshot, digest, request.preview_only)
        return _finish(session, digest, deployment.tally, deployment.ledger.snapshot(), "Refresh")


def destroy(request: Request) -> int:
    """Delete everything that the stack has made; asks first."""
    session = open_session(request)
    with session.locked():
        digest = session.digest(request.preview_only)
        snapshot = _opened(session, digest)
        if not (request.yes or request.preview_only):
            if not request.interactive:
                msg = f"Nobody is there to confirm. To delete all of stack {session.stack!r} pass --yes"
                raise EngineError(msg)
            _announce(session, snapshot)
            if not _confirmed(f"Delete all of stack {session.stack}?"):
                return 0
        if request.refresh:
            refreshed = run_refresh(session, snapshot, digest, request.preview_only)
            snapshot = refreshed.ledger.snapshot()
            if not refreshed.tally.ok:
                return _finish(session, digest, refreshed.tally, snapshot, "Refresh")
        deployment = run_destroy(session, snapshot, digest, request.preview_only)
        return _finish(session, digest, deployment.tally, deployment.ledger.snapshot(), "Destroy")


COMMANDS: dict[str, Callable[[Request], int]] = {
    "up": up,
    "preview": preview,
    "refresh": refresh,
    "destroy": destroy,
    "output": output,
    "export": export,
    "import": import_,
    "state": edit_state,
}


def _start(session: Session, digest: Digest) -> Program:
    program = session.project.program
    if not (program if program.is_file() else program / "__main__.py").is_file():
        msg = f"No program: {str(program / '__main__.py')!r} does not exist. Write one, or name its folder: -C DIR"
        raise EngineError(msg)
    session.prepare()
    return Program(session.project.folder, lambda line: digest.log("info", line))


def _opened(session: Session, digest: Digest) -> Snapshot:
    session.prepare()
    # gRPC and the SDK's stubs take 0.3 s to import: time for the program to import its own, and for the stack's key.
    import infra.engine.monitor  # noqa: F401, PLC0415

    snapshot = session.load()
    for operation in snapshot.pending:
        name = names.name_of(operation.resource.urn)
        digest.log(
            "warning",
            f"an earlier run was cut off while {operation.kind} {name!r} ({operation.resource.type}): "
            f"what it left is unknown. Going on; compare with: {again(session, 'refresh')}",
        )
    return snapshot


def _asks(request: Request) -> bool:
    return request.interactive and not request.yes


def _confirmed(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _announce(session: Session, snapshot: Snapshot) -> None:
    real = [state for state in snapshot.resources if not names.is_provider(state.urn)]
    for state in reversed(real):
        reason = "retain_on_delete" if state.retain_on_delete else "protected" if state.protect else ""
        fate = f"stays ({reason})" if reason else "goes"
        print(f"  {fate:24}  {state.type}  {names.name_of(state.urn)}")
    print(f"Stack {session.stack} of project {session.project.name} has {len(real)} resources.")


def _finish(session: Session, digest: Digest, tally: Tally, snapshot: Snapshot, title: str) -> int:
    digest.summary(tally, session.seconds, title)
    if tally.interrupted:
        command = again(session, session.request.command)
        digest.log("warning", f"interrupted; what was done is in the state. Go on with: {command}")
    if session.request.json:
        print(json.dumps(_result(session, digest, tally, snapshot), ensure_ascii=False))
    return _code(session, tally)


def _code(session: Session, tally: Tally) -> int:
    if tally.interrupted:
        return EXIT_INTERRUPTED
    if session.request.expect_no_changes and tally.changed:
        print("error: no changes were expected, but there are some", file=sys.stderr)
        return 1
    return int(not tally.ok)


def _result(session: Session, digest: Digest, tally: Tally, snapshot: Snapshot) -> dict[str, Any]:
    outputs = _stack_outputs(snapshot)
    return {
        "result": "interrupted" if tally.interrupted else "succeeded" if tally.ok else "failed",
        "project": session.project.name,
        "stack": session.stack,
        "summary": {op: count for op, count in sorted(tally.counts.items()) if count},
        "outputs": masked(outputs),
        "errors": [each for each in digest.diagnostics if each["severity"] == "error"],
        "skipped": tally.skipped,
        "retained": tally.retained,
        "duration": round(session.seconds, 3),
    }


def _stack_outputs(snapshot: Snapshot) -> dict[str, Any]:
    root = next((state for state in snapshot.resources if state.type == names.STACK_TYPE), ResourceState("", ""))
    return root.outputs


def _shown_config(session: Session) -> dict[str, str]:
    config = session.config
    return {key: MASK if key in config.secrets else value for key, value in config.values.items()}
