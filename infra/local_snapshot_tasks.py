"""The tasks that keep the local cloud's whole state under a name, and bring it back."""

from typing import Any

from invoke import Context, task

from infra import local_snapshots
from infra.errors import InfraError
from infra.reporting import answer, confirm, one_line_errors

JSON = "end stdout with one JSON object; all else goes to stderr"
NAME = "the snapshot's name"

guarded = one_line_errors(InfraError, interrupted="Nothing is half done. Run the same command again")


@task(help={"name": NAME, "replace": "in place of the one of this name", "json": JSON})
@guarded
def snapshot(_: Context, name: str, replace: bool = False, json: bool = False) -> dict[str, Any]:
    """Keep the state of the running local cloud and of the local stack under a name."""
    facts = local_snapshots.take(name, replace=replace)
    answer(json, facts, f"kept: {_line(facts)}")
    return facts


@task(help={"remove": "forget the one of this name", "json": JSON})
@guarded
def snapshots(_: Context, remove: str = "", json: bool = False) -> dict[str, Any]:
    """List the snapshots of the local cloud, or forget one."""
    gone = [local_snapshots.remove(remove)] if remove else []
    found = local_snapshots.known()
    lines = [_line(one) for one in found] or ["no snapshots. Run: invoke local.snapshot NAME"]
    facts = {"snapshots": found, "removed": gone}
    answer(json, facts, *(f"forgotten: {_line(one)}" for one in gone), *lines)
    return facts


@task(help={"name": NAME, "yes": "do not ask", "json": JSON})
@guarded
def restore(_: Context, name: str, yes: bool = False, json: bool = False) -> dict[str, Any]:
    """Bring back a snapshot of the local cloud and of the local stack, in place of what is there, after asking."""
    local_snapshots.require_known(name)
    question = f"Replace the local cloud's state, and the local stack's, by the snapshot {name!r}?"
    confirm(yes, question, f"invoke local.restore {name} --yes")
    facts = local_snapshots.restore(name)
    answer(json, facts, f"restored: {_line(facts)}")
    return facts


def _line(one: dict[str, Any]) -> str:
    what = f"{one['resources']:,} resources, {one['objects']:,} objects of {one['bytes']:,} bytes"
    return f"{one['name']} ({one['created'][:19]}): {what}"
