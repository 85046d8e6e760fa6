"""The two engines: which one deploys a stack, how it is called, and what it has made already."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from infra.local_cloud import HOME
from infra.stacks import PROJECT, ROOT, Stack, StackError

Engine = Literal["embedded", "pulumi"]

EMBEDDED_STATE = HOME / "stacks"
CLI_BACKEND = HOME / "pulumi"
CLI_HOME = HOME / "pulumi-cli"  # where `invoke pulumi.install` puts the CLI


def choose_engine(stack: Stack, asked: str = "") -> Engine:
    """Return the engine that deploys this stack: embedded for local ones unless asked otherwise, else the CLI.

    Raises:
        StackError: no such engine, it cannot serve this stack, or the stack was made by the other one.
    """
    engine = usable_engine(stack, asked)
    _refuse_other_engine(stack, engine)
    return engine


def usable_engine(stack: Stack, asked: str = "") -> Engine:
    """Return the engine that can serve this stack, whoever made it.

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
    if engine == "pulumi" and not cli_path():
        missing = f"no 'pulumi' is on PATH or under {CLI_HOME.relative_to(ROOT)}"
        msg = f"Stack {stack.name!r} needs the Pulumi CLI, and {missing}. Run: invoke pulumi.install"
        raise StackError(msg)
    return engine


def cli_path() -> str:
    """Return where the Pulumi CLI is: where `invoke pulumi.install` has put it, else on PATH; "" where it is not."""
    installed = CLI_HOME / "bin" / "pulumi"
    return str(installed) if installed.is_file() else shutil.which("pulumi") or ""


def _refuse_other_engine(stack: Stack, engine: Engine) -> None:
    """Never run over a stack that the other engine made."""
    maker = made_by(stack)
    if maker and maker != engine:
        msg = (
            f"Stack {stack.name!r} was made by the {maker} engine; {engine} knows nothing of its resources."
            f" Run with: --engine {maker}, or hand it over: invoke hand-over --stack {stack.name} --engine {engine}"
        )
        raise StackError(msg)


def made_by(stack: Stack) -> Engine | None:
    """Return the engine whose state has resources of this stack; None where neither has, or it is on Google Cloud."""
    if not stack.local_url:
        return None
    if resources_in(state_file(stack)):
        return "embedded"
    if resources_in(_cli_state_file(stack)):
        return "pulumi"
    return None


def state_file(stack: Stack) -> Path:
    """Return where the embedded engine keeps a stack's state."""
    return EMBEDDED_STATE / PROJECT / f"{stack.name}.json"


def _cli_state_file(stack: Stack) -> Path:
    """Return where the CLI's file backend, the user's or the one under .local, keeps a stack's state."""
    backend = os.environ.get("PULUMI_BACKEND_URL", "")
    folder = Path(backend.removeprefix("file://")).expanduser() if backend.startswith("file://") else CLI_BACKEND
    return folder / ".pulumi" / "stacks" / PROJECT / f"{stack.name}.json"


def resources_in(path: Path) -> list[Any]:
    """Return the resources of a state file of either engine."""
    if not path.exists():
        return []
    document: Mapping[str, Any] = json.loads(path.read_text())
    deployment = document.get("deployment") or (document.get("checkpoint") or {}).get("latest") or {}
    return list(deployment.get("resources") or [])


def command_of(stack: Stack, engine: Engine, arguments: list[str]) -> list[str]:
    """Return an engine's command line for a stack."""
    if engine == "embedded":
        return [sys.executable, "-m", "infra.engine", *arguments, "--stack", stack.name]
    if stack.local_url or arguments[0] in {"up", "preview"}:
        _select_cli_stack(stack)
    return [cli_path(), *arguments, "--stack", stack.name]


def _select_cli_stack(stack: Stack) -> None:
    """Make the stack known to the CLI's backend: `pulumi up` refuses a stack that it has never seen."""
    environment = environment_of(stack, "pulumi")
    if environment.get("PULUMI_BACKEND_URL") == f"file://{CLI_BACKEND}":
        CLI_BACKEND.mkdir(parents=True, exist_ok=True)
    command = [cli_path(), "stack", "select", "--create", stack.name, "--non-interactive"]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[0]
        msg = f"The Pulumi CLI refuses stack {stack.name!r}: {reason}. Run: pulumi stack select {stack.name}"
        raise StackError(msg)


def environment_of(stack: Stack, engine: Engine) -> dict[str, str]:
    """Give the CLI a backend: under .local and with the empty passphrase for a local stack, else the stack's own.

    What the user has set in the environment is left as it is.
    """
    if engine == "embedded":
        return dict(os.environ)
    if not stack.local_url:
        backend = str(stack.setting("stateBackend", ""))
        return {**({"PULUMI_BACKEND_URL": backend} if backend else {}), **os.environ}
    defaults = {"PULUMI_BACKEND_URL": f"file://{CLI_BACKEND}", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ:
        defaults["PULUMI_CONFIG_PASSPHRASE"] = ""
    return {**defaults, **os.environ}
