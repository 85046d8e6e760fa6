"""The stack's tasks: deployed, looked at, compared, handed over, destroyed, by either engine."""

from collections.abc import Sequence

from invoke import Context

from infra import deployment, destruction
from infra.engines import choose_engine
from infra.handover import hand_over as hand_over_stack
from infra.reporting import answer, confirm_name, hint, say, shown
from infra.setting_table import WRAPPERS
from infra.stacks import StackError, read_stack, remove_setting, write_setting
from infra.task_options import AGAIN, DEPLOY, ENGINE, JSON, STACK, Facts, known_wrapper, step


@step(AGAIN, iterable=("target",), **DEPLOY)
def up(
    _: Context,
    stack: str = "local",
    engine: str = "",
    target: Sequence[str] | None = None,
    refresh: bool = False,
    expect_no_changes: bool = False,
    json: bool = False,
) -> Facts:
    """Program -> APIs, bucket, accounts, notebook; models, versions and endpoints once a model is uploaded."""
    return deployment.run(stack, "up", engine, json, *deployment.flags(target, refresh, expect_no_changes))


@step(AGAIN, iterable=("target",), **DEPLOY)
def preview(
    _: Context,
    stack: str = "local",
    engine: str = "",
    target: Sequence[str] | None = None,
    refresh: bool = False,
    expect_no_changes: bool = False,
    json: bool = False,
) -> Facts:
    """Show what `up` would change and what the stack would cost, and change nothing."""
    return deployment.run(stack, "preview", engine, json, *deployment.flags(target, refresh, expect_no_changes))


@step(AGAIN, preview_only="report drift, leave the state as it is", **STACK, **ENGINE, **JSON)
def refresh(
    _: Context, stack: str = "local", engine: str = "", preview_only: bool = False, json: bool = False
) -> Facts:
    """Compare the state with what is really there, show the drift and take it over."""
    return deployment.run(stack, "refresh", engine, json, *["--preview-only"] * preview_only)


@step(AGAIN, yes="do not ask", dry_run="only list what would go and what would stay", **STACK, **ENGINE, **JSON)
def destroy(  # each is an option
    _: Context, stack: str = "local", engine: str = "", yes: bool = False, dry_run: bool = False, json: bool = False
) -> Facts:
    """List what goes and what stays, ask for the stack's name, and delete everything that the stack made."""
    target = read_stack(stack)
    fate = destruction.fate_of(target, deployment.state_of(target, choose_engine(target, engine)))
    answer(json and dry_run, {"stack": stack, **destruction.facts(fate)}, *([] if json else destruction.lines(fate)))
    if dry_run:
        return destruction.facts(fate)
    destruction.refuse_protected(fate)
    confirm_name(yes, "Destroy all of that?", stack, f"invoke destroy --stack {stack} --yes")
    facts = deployment.run(stack, "destroy", engine, json)
    if remove_setting(target, "models"):
        say("The uploaded models went with the bucket: the stack names none now. Next time: up, upload, up")
    return facts


@step("Run the same command again", **STACK, **JSON, engine="the engine that takes the stack over")
def hand_over(_: Context, engine: str, stack: str = "local", json: bool = False) -> Facts:
    """Give a local stack that one engine made to the other: its state moves, nothing is deployed anew."""
    facts = hand_over_stack(read_stack(stack), engine)
    answer(json, facts, f"Stack {stack!r}: {facts['resources']} resources, {facts['from']} -> {facts['engine']} engine")
    hint(f"Next: invoke preview --stack {stack} --engine {engine}")
    return facts


@step("Nothing was changed", **STACK, **JSON)
def outputs(_: Context, stack: str = "local", json: bool = False) -> Facts:
    """Print the stack's outputs: all that tasks know of the infrastructure."""
    facts = deployment.outputs(read_stack(stack))
    answer(json, facts, *(f"{name}: {shown(value)}" for name, value in facts.items()))
    return facts


@step(AGAIN, wrapper="functional, decorator or both (default)", remove="undeploy instead", **STACK, **ENGINE, **JSON)
def deploy(
    c: Context, wrapper: str = "both", stack: str = "local", remove: bool = False, engine: str = "", json: bool = False
) -> Facts:
    """Uploaded models -> endpoints that serve them: writes the stack setting `endpoints`, then runs `up`."""
    chosen = set(WRAPPERS if wrapper == "both" else [known_wrapper(wrapper)])
    target = read_stack(stack)
    deployment.usable(target, engine)  # or the file would name what no `up` can bring
    lacking = sorted(chosen - set(target.setting("models", {})))
    if lacking and not remove:
        raise StackError(f"Stack {stack!r} has no uploaded model {lacking[0]!r}. Run: invoke upload --stack {stack}")
    there = set(target.setting("endpoints", []))
    write_setting(target, "endpoints", sorted(there - chosen if remove else there | chosen))
    facts: Facts = up(c, stack=stack, engine=engine, json=json)
    return facts
