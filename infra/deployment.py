"""A stack's deployment by either engine: the embedded one for local stacks, the Pulumi CLI for any."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from invoke import Exit

from infra.local_cloud import HOME, require
from infra.reporting import answer
from infra.stacks import PROJECT, ROOT, Stack, StackError, read_stack

Engine = Literal["embedded", "pulumi"]
Verb = Literal["up", "preview", "refresh", "destroy"]

EMBEDDED_STATE = HOME / "stacks"
CLI_BACKEND = HOME / "pulumi"
CLI_INSTALL = "curl -fsSL https://get.pulumi.com | sh"


def choose_engine(stack: Stack, asked: str = "") -> Engine:
    """Return the engine that deploys this stack: embedded for local ones unless asked otherwise, else the CLI.

    Raises:
        StackError: no such engine, the embedded one cannot serve this stack, or the CLI is not on PATH.
    """
    if asked not in {"", "embedded", "pulumi"}:
        msg = f"No engine {asked!r}. Run with: --engine embedded, or --engine pulumi"
        raise StackError(msg)
    engine: Engine = "pulumi" if asked == "pulumi" or not stack.local_url else "embedded"
    if asked == "embedded" and engine == "pulumi":
        msg = f"Stack {stack.name!r} is on Google Cloud: only the Pulumi CLI deploys it. Run with: --engine pulumi"
        raise StackError(msg)
    if engine == "pulumi" and not shutil.which("pulumi"):
        msg = f"Stack {stack.name!r} needs the Pulumi CLI, and no 'pulumi' is on PATH. Run: {CLI_INSTALL}"
        raise StackError(msg)
    _refuse_other_engine(stack, engine)
    return engine


def run(name: str, verb: Verb, asked: str, as_json: bool, *flags: str) -> dict[str, Any]:
    """Run one verb of the right engine on a stack and return its facts, which are printed last with `as_json`.

    Raises:
        Exit: the engine's own exit code; it has said why.
        StackError: the stack or the engine cannot be used.
    """
    stack = read_stack(name)
    engine = choose_engine(stack, asked)
    require(stack)
    arguments = [verb, *_unattended(engine, verb), *flags]
    facts: dict[str, Any] = {"stack": name, "engine": engine}
    if as_json and (engine == "embedded" or verb == "preview"):
        facts |= _json_of(_run(stack, engine, [*arguments, "--json"], subprocess.PIPE))
    else:
        _run(stack, engine, arguments, sys.stderr if as_json else None)
        if as_json and verb == "up":
            facts["outputs"] = outputs(stack, engine)
    answer(as_json, facts)
    return facts


def outputs(stack: Stack, engine: Engine | None = None) -> dict[str, Any]:
    """Return the stack's outputs: all that tasks know of the infrastructure.

    Raises:
        StackError: the stack is not deployed, or its local cloud does not answer.
    """
    require(stack)
    engine = engine or choose_engine(stack, _made_by(stack) or "")
    verb = ["output"] if engine == "embedded" else ["stack", "output"]
    command = _command(stack, engine, [*verb, "--json"])
    environment = _environment(stack, engine)
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    values = json.loads(found.stdout) if found.returncode == 0 and found.stdout.strip() else {}
    if not values:
        said = found.stderr.strip().splitlines()
        reason = f" ({said[-1]})" if found.returncode and said else ""
        msg = f"Stack {stack.name!r} has no outputs: it is not deployed{reason}. Run: invoke up --stack {stack.name}"
        raise StackError(msg)
    return dict(values)


def _run(stack: Stack, engine: Engine, arguments: list[str], stdout: int | TextIO | None) -> str:
    """Run an engine with Ctrl-C left to it: it finishes the step that runs, saves, and says how to go on."""
    command = _command(stack, engine, arguments)
    environment = _environment(stack, engine)
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, text=True) as process:
        printed = _wait(process)
    if process.returncode:
        raise Exit(code=process.returncode)
    return printed


def _wait(process: subprocess.Popen[str]) -> str:
    while True:
        try:
            return process.communicate()[0] or ""
        except KeyboardInterrupt:  # the terminal has sent it to the engine too
            continue


def _json_of(printed: str) -> dict[str, Any]:
    """Take the object that an engine printed: the embedded one's is one line, the CLI's is indented."""
    found = json.loads(printed if printed.lstrip().startswith("{") else printed.splitlines()[-1])
    return dict(found)


def _unattended(engine: Engine, verb: Verb) -> list[str]:
    """Return the flags that keep an engine from asking: the task has asked already, or shows the steps itself."""
    if verb == "preview":
        return []
    return ["--yes", "--skip-preview", *(["--non-interactive"] if engine == "pulumi" else [])]


def resources(name: str, engine: Engine) -> int:
    """Count the resources in a stack's state, providers and the stack itself included."""
    stack = read_stack(name)
    if engine == "embedded":
        return len(_resources(_state_file(stack)))
    exported = _run(stack, engine, ["stack", "export"], subprocess.PIPE)
    return len(json.loads(exported)["deployment"].get("resources") or [])


def _refuse_other_engine(stack: Stack, engine: Engine) -> None:
    """Never run over a stack that the other engine made."""
    made_by = _made_by(stack)
    if made_by and made_by != engine:
        msg = (
            f"Stack {stack.name!r} was made by the {made_by} engine; {engine} knows nothing of its resources."
            f" Run with: --engine {made_by}, or destroy it there first"
        )
        raise StackError(msg)


def _made_by(stack: Stack) -> Engine | None:
    if not stack.local_url:
        return None
    if _resources(_state_file(stack)):
        return "embedded"
    if _resources(CLI_BACKEND / ".pulumi" / "stacks" / PROJECT / f"{stack.name}.json"):
        return "pulumi"
    return None


def _state_file(stack: Stack) -> Path:
    return EMBEDDED_STATE / PROJECT / f"{stack.name}.json"


def _resources(path: Path) -> list[Any]:
    if not path.exists():
        return []
    document: Mapping[str, Any] = json.loads(path.read_text())
    deployment = document.get("deployment") or (document.get("checkpoint") or {}).get("latest") or {}
    return list(deployment.get("resources") or [])


def _command(stack: Stack, engine: Engine, arguments: list[str]) -> list[str]:
    if engine == "embedded":
        return [sys.executable, "-m", "infra.engine", *arguments, "--stack", stack.name]
    _select_cli_stack(stack)
    return ["pulumi", *arguments, "--stack", stack.name]


def _select_cli_stack(stack: Stack) -> None:
    """Make the stack known to the CLI's backend: `pulumi up` refuses a stack that it has never seen."""
    if not stack.local_url:
        return
    environment = _environment(stack, "pulumi")
    if "PULUMI_BACKEND_URL" not in os.environ:
        CLI_BACKEND.mkdir(parents=True, exist_ok=True)
    command = ["pulumi", "stack", "select", "--create", stack.name, "--non-interactive"]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[0]
        msg = f"The Pulumi CLI refuses stack {stack.name!r}: {reason}. Run: pulumi stack select {stack.name}"
        raise StackError(msg)


def _environment(stack: Stack, engine: Engine) -> dict[str, str]:
    """Give the CLI a backend under .local and the empty passphrase for a local stack, unless the user's are set."""
    if engine == "embedded" or not stack.local_url:
        return dict(os.environ)
    defaults = {"PULUMI_BACKEND_URL": f"file://{CLI_BACKEND}", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ:
        defaults["PULUMI_CONFIG_PASSPHRASE"] = ""
    return {**defaults, **os.environ}
