"""A stack handed from one engine to the other: its state, exported here and imported there, nothing deployed anew."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.deployment import run_engine
from infra.engines import Engine, made_by, resources_in, state_file, usable_engine
from infra.local_cloud import HOME
from infra.stacks import Stack, StackError

KEPT = HOME / "handed-over"  # every state that was handed over stays here


def hand_over(stack: Stack, asked: str) -> dict[str, Any]:
    """Give a local stack to the engine asked for; the one that made it forgets it.

    Raises:
        StackError: the stack is on Google Cloud, has no resources, or is that engine's already.
    """
    giver = _giver(stack, asked)
    taker = usable_engine(stack, asked)
    usable_engine(stack, giver)
    exported = _export(stack, giver)
    run_engine(stack, taker, [*_stack_verb(taker), "import", "--file", str(exported)], subprocess.PIPE)
    _forget(stack, giver)
    return {
        "stack": stack.name,
        "from": giver,
        "engine": taker,
        "resources": len(resources_in(exported)),
        "state": str(exported),
    }


def _giver(stack: Stack, asked: str) -> Engine:
    name, up = stack.name, f"Run: invoke up --stack {stack.name} --engine {asked}"
    if not stack.local_url:
        msg = f"Stack {name!r} is on Google Cloud, where only the Pulumi CLI deploys. Run: invoke up --stack {name}"
        raise StackError(msg)
    maker = made_by(stack)
    if maker is None:
        msg = f"Stack {name!r} has no resources to hand over. {up}"
        raise StackError(msg)
    if maker == asked:
        msg = f"Stack {name!r} is the {maker} engine's already. {up}"
        raise StackError(msg)
    return maker


def _export(stack: Stack, giver: Engine) -> Path:
    """Write the giver's state to a file of its own, secrets sealed as they are."""
    KEPT.mkdir(parents=True, exist_ok=True)
    target = KEPT / f"{stack.name}-{giver}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    run_engine(stack, giver, [*_stack_verb(giver), "export", "--file", str(target)], subprocess.PIPE)
    return target


def _forget(stack: Stack, giver: Engine) -> None:
    """Remove the giver's state, not the resources: two engines must never both think a stack theirs."""
    if giver == "embedded":
        state_file(stack).unlink()
    else:
        run_engine(stack, giver, ["stack", "rm", "--force", "--yes", "--preserve-config"], subprocess.PIPE)


def _stack_verb(engine: Engine) -> list[str]:
    return ["stack"] if engine == "pulumi" else []
