"""A deployment from its first process to its last write: the program's, a refresh's or a destruction's."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from infra.engine import urn as names
from infra.engine.deleting import delete_all, delete_leftovers, doomed, unprotected
from infra.engine.deployment import Deployment, Options
from infra.engine.dynamic_server import DynamicServer
from infra.engine.errors import StepError
from infra.engine.host import Program
from infra.engine.ledger import Ledger
from infra.engine.policies import judge_of
from infra.engine.refreshing import refresh_all
from infra.engine.registry import Registry
from infra.engine.session import Session, default_inputs, factories
from infra.engine.state import Snapshot
from infra.engine.steps import Events

EXIT_INTERRUPTED = 130
DYNAMIC = names.PROVIDER_PREFIX + "pulumi-python"
SECONDS_TO_EXIT = 10.0  # that a program gets after its last registration

Work = Callable[[Deployment], None]


def run_program(session: Session, snapshot: Snapshot, events: Events, program: Program, preview: bool) -> Deployment:
    """Bring a stack to what its program declares."""

    try:
        return _deploy(session, snapshot, events, preview, partial(_follow_program, session, program))
    finally:
        program.end()


def run_refresh(session: Session, snapshot: Snapshot, events: Events, preview: bool) -> Deployment:
    """Bring the state to what really stands."""

    def work(deployment: Deployment) -> None:
        _configure_defaults(session, deployment)
        check_targets(deployment)
        if deployment.tally.ok:
            refresh_all(deployment)

    return _deploy(session, snapshot, events, preview, work)


def run_destroy(session: Session, snapshot: Snapshot, events: Events, preview: bool) -> Deployment:
    """Delete everything, or what is targeted."""
    request = session.request

    def work(deployment: Deployment) -> None:
        _configure_defaults(session, deployment)
        check_targets(deployment)
        if deployment.tally.ok:
            delete_all(deployment, unprotected(deployment) if request.exclude_protected else doomed(deployment))

    return _deploy(session, snapshot, events, preview, work)


def check_targets(deployment: Deployment) -> None:
    """Refuse targets that are nowhere, neither in the state nor in the program."""
    for target in deployment.unknown_targets():
        message = f"the target {target!r} is not in the stack. Its resources: python -m infra.engine export"
        deployment.tally.errors.append(message)
        deployment.events.log("error", message)


def _configure_defaults(session: Session, deployment: Deployment) -> None:
    # Without a program nothing registers the default providers: they get the stack's settings of today,
    # not those of their last `up` (the local cloud may have another port since).
    for state in deployment.ledger.olds():
        if names.is_default_provider(state.urn):
            package, version = names.package_of(state.type), str(state.inputs.get("version") or "")
            with suppress(StepError):
                inputs = default_inputs(session.config)(package, version)
                deployment.registry.add(names.reference(state.urn, state.id), {**state.inputs, **inputs})


def _deploy(session: Session, snapshot: Snapshot, events: Events, preview: bool, work: Work) -> Deployment:
    server = DynamicServer(session.project.folder, session.project.name, lambda line: events.log("info", line))
    if any(state.type == DYNAMIC for state in snapshot.resources):
        server.launch()
    registry = Registry(factories(session, server), snapshot.resources)
    request = session.request
    ledger = Ledger(snapshot, (lambda _: None) if preview else session.save, ordered=bool(request.targets))
    options = Options(
        session.project.name,
        session.stack,
        preview,
        request.targets,
        request.target_dependents,
        request.parallel,
    )
    deployment = Deployment(options, ledger, registry, events, default_inputs(session.config))
    deployment.judge = judge_of(request.policy_packs, session.config.values)
    try:
        with interruptible(deployment):
            work(deployment)
            deployment.idle()
        ledger.save()
    finally:
        server.end()
    return deployment


@contextmanager
def interruptible(deployment: Deployment) -> Iterator[None]:
    """Let Ctrl-C finish the running steps and begin no other; a second one ends the engine at once."""

    def on_signal(_number: int, _frame: Any) -> None:
        if deployment.stopping.is_set():
            # The state is whole: each step's beginning and end are written when they happen.
            os.write(2, b"interrupted twice: the steps that ran are noted as unfinished\n")
            os._exit(EXIT_INTERRUPTED)
        deployment.tally.interrupted = True
        deployment.stopping.set()
        deployment.wake()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow_program(session: Session, program: Program, deployment: Deployment) -> None:
    # As late as this where a command needs no program: gRPC and the SDK's stubs take 0.3 s to import.
    from infra.engine.monitor import Monitor, serve  # noqa: PLC0415

    happened: SimpleQueue[int | None] = SimpleQueue()  # its exit code; None: all is declared, or Ctrl-C
    deployment.wake = lambda: happened.put(None)
    folder, config = session.project.folder, session.config
    monitor = Monitor(deployment, config.values, config.secrets, folder, lambda: happened.put(None))
    address, stop = serve(monitor)
    try:
        program.run(_job(session, deployment, address), happened.put)
        code = happened.get()
        if code:
            deployment.stopping.set()
        deployment.idle()
        if not deployment.stopping.is_set():
            check_targets(deployment)
        if deployment.tally.ok and not deployment.stopping.is_set():
            delete_leftovers(deployment)
        if code is None and not deployment.stopping.is_set():
            code = _exit_code(happened)
        if code and not deployment.tally.errors:
            deployment.tally.errors.append(f"the program ended with exit code {code}")
            deployment.events.log("error", deployment.tally.errors[-1])
        deployment.enter_stack_outputs()
    finally:
        if deployment.tally.interrupted:
            program.end()  # or it would tell, by tracebacks, that nobody answers it any more
        stop()


def _exit_code(happened: "SimpleQueue[int | None]") -> int | None:
    try:
        return happened.get(timeout=SECONDS_TO_EXIT)
    except Empty:
        return None


def _job(session: Session, deployment: Deployment, address: str) -> dict[str, Any]:
    options = deployment.options
    return {
        "program": str(session.project.program),
        "config": dict(session.config.values),
        "secret_keys": sorted(session.config.secrets),
        "settings": {
            "project": options.project,
            "stack": options.stack,
            "monitor": address,
            "engine": address,
            "parallel": options.parallel,
            "dry_run": options.preview,
            "organization": "organization",
            "root_directory": str(session.project.root),
        },
    }
