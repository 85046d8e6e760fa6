"""A stack's deployment by either engine: the embedded one for local stacks, the Pulumi CLI for any."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Literal, TextIO

from invoke import Exit

from infra.costs import cost_facts
from infra.credentials import require_credentials
from infra.engines import Engine, choose_engine, command_of, environment_of, made_by, resources_in, state_file
from infra.local_cloud import require
from infra.policies import PACK, Planned, enforce, plan_of
from infra.reporting import answer, say
from infra.settings import check_platform, from_config, vertex_endpoint
from infra.stacks import ROOT, Stack, StackError, read_stack

Verb = Literal["up", "preview", "refresh", "destroy"]


class EngineExit(Exit):
    """An engine that ended with a code other than 0; it has said why."""

    def __init__(self, code: int, printed: str) -> None:
        super().__init__(code=code)
        self.printed = printed


def run(name: str, verb: Verb, asked: str, as_json: bool, *flags: str) -> dict[str, Any]:
    """Run one verb of the right engine on a stack and return its facts, which are printed last with `as_json`.

    Raises:
        Exit: the engine's own exit code; it has said why.
        StackError: the stack or the engine cannot be used.
    """
    stack = read_stack(name)
    if verb in {"up", "preview"}:  # the others can be asked for with any file: what was made is in the state
        from_config(stack.config, name)
    engine = usable(stack, asked)
    arguments = [verb, *_unattended(engine, verb, flags), *_policies(stack, engine, verb, flags), *flags]
    facts: dict[str, Any] = {"stack": name, "engine": engine}
    if verb == "preview":
        facts["costs"] = cost_facts(stack)
    if as_json and (engine == "embedded" or verb == "preview"):
        try:
            facts |= _json_of(run_engine(stack, engine, [*arguments, "--json"], subprocess.PIPE))
        except EngineExit as end:
            if end.printed.strip():  # what was done, and why no more
                answer(True, {**facts, **_json_of(end.printed)})
            raise
    else:
        run_engine(stack, engine, arguments, sys.stderr if as_json or sys.stdout is sys.stderr else None)
        if as_json and verb == "up":
            facts["outputs"] = outputs(stack, engine)
    answer(as_json, facts)
    return facts


def usable(stack: Stack, asked: str = "") -> Engine:
    """Return the engine that deploys a stack, once its cloud is known to answer.

    Raises:
        StackError, PredictionApiError: there is no such engine, or no local cloud, or Google takes no credentials.
    """
    check_platform(stack.setting("platform", ""), stack.config, stack.name)
    engine = choose_engine(stack, asked)
    require(stack)
    require_credentials(stack)
    return engine


def flags(target: Sequence[str] | None, refresh: bool, expect_no_changes: bool) -> list[str]:
    """Return both engines' flags for what a task was asked for."""
    targets = [flag for urn in target or () for flag in ("--target", urn)]
    return [*targets, *["--refresh"] * refresh, *["--expect-no-changes"] * expect_no_changes]


def outputs(stack: Stack, engine: Engine | None = None) -> dict[str, Any]:
    """Return the stack's outputs: all that tasks know of the infrastructure.

    Raises:
        StackError: the stack is not deployed, or its local cloud does not answer.
    """
    check_platform(stack.setting("platform", ""), stack.config, stack.name)
    require(stack)
    engine = engine or choose_engine(stack, made_by(stack) or "")
    require_credentials(stack)  # the state may be in a bucket, and whoever asks goes on to Google
    verb = ["output"] if engine == "embedded" else ["stack", "output"]
    command = command_of(stack, engine, [*verb, "--json"])
    environment = environment_of(stack, engine)
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    values = _object(found.stdout) if found.returncode == 0 else {}
    if not values:
        said = found.stderr.strip().splitlines() if engine == "pulumi" else []  # the embedded one says the same
        reason = f" ({said[-1]})" if found.returncode and said else ""
        msg = f"Stack {stack.name!r} has no outputs: it is not deployed{reason}. Run: invoke up --stack {stack.name}"
        raise StackError(msg)
    return {**values, **_addresses(stack)}


def _object(printed: str) -> dict[str, Any]:
    """Read the object that an engine printed; an empty one where it printed something else."""
    try:
        found = json.loads(printed)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _addresses(stack: Stack) -> dict[str, str]:
    """Return where a local stack's APIs are today: its cloud may have another port since the last `up`."""
    if not stack.local_url:
        return {}
    return {"apiEndpoint": vertex_endpoint(stack.config, ""), "storageEndpoint": stack.local_url}


def run_engine(stack: Stack, engine: Engine, arguments: list[str], stdout: int | TextIO | None) -> str:
    """Run an engine with Ctrl-C left to it: it finishes the step that runs, saves, and says how to go on."""
    command = command_of(stack, engine, arguments)
    environment = environment_of(stack, engine)
    before = signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to the engine too
    held = {signal.SIGINT} if engine == "embedded" else set()  # until Python is up there, and can tell in one line
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, text=True) as process:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
            printed = process.communicate()[0] or ""
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
        signal.signal(signal.SIGINT, before)
    if process.returncode == -signal.SIGINT:  # before the engine had begun
        raise KeyboardInterrupt
    if process.returncode:
        raise EngineExit(process.returncode, printed)
    return printed


def _json_of(printed: str) -> dict[str, Any]:
    """Take the object that an engine printed: the embedded one's is one line, the CLI's is indented."""
    found = json.loads(printed if printed.lstrip().startswith("{") else printed.splitlines()[-1])
    return dict(found)


def _unattended(engine: Engine, verb: Verb, flags: Sequence[str]) -> list[str]:
    """Return the flags that keep an engine from asking: the task has asked already, or shows the steps itself."""
    if verb == "preview" or "--preview-only" in flags:
        return []
    return ["--yes", "--skip-preview", *(["--non-interactive"] if engine == "pulumi" else [])]


def _policies(stack: Stack, engine: Engine, verb: Verb, flags: Sequence[str]) -> list[str]:
    """Hold what is planned against the rules: the embedded engine does it as it goes, for the CLI its plan is read."""
    if engine == "embedded":
        return ["--policy-pack", str(PACK)] if verb in {"up", "preview"} else []
    if verb == "up":
        say("policies: the CLI's preview, held against infra/policy")
        enforce(stack, planned(stack, engine, flags))
    return []


def planned(stack: Stack, engine: Engine, flags: Sequence[str] = ()) -> Planned:
    """Ask an engine what a stack will hold after the next up; nothing is changed."""
    preview = _json_of(run_engine(stack, engine, ["preview", "--json", *flags], subprocess.PIPE))
    return plan_of(preview, state_of(stack, engine))


def state_of(stack: Stack, engine: Engine) -> list[Any]:
    """Return the resources in a stack's state, providers and the stack itself included."""
    if engine == "embedded":
        return resources_in(state_file(stack))
    exported = run_engine(stack, engine, ["stack", "export"], subprocess.PIPE)
    return list(json.loads(exported)["deployment"].get("resources") or [])


def resources(name: str, engine: Engine) -> int:
    """Count the resources in a stack's state, providers and the stack itself included."""
    return len(state_of(read_stack(name), engine))
