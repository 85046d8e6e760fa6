"""The tasks `local.*`: this clone's local cloud, started, looked at, stopped, forgotten."""

from contextlib import suppress
from typing import Any

from invoke import Context, task

from infra import local_cloud
from infra.errors import InfraError
from infra.reporting import answer, confirm, one_line_errors
from infra.stacks import StackError, read_local_stack, read_stack
from infra.task_options import whole_number

PORT = "port of the local cloud (default: where it runs or ran last, LOCAL_CLOUD_PORT, or 8790)"
JSON = "end stdout with one JSON object; all else goes to stderr"

guarded = one_line_errors(InfraError, interrupted="Run: invoke local.status")


@task(
    help={
        "port": PORT,
        "strict": "demand a token, permissions and enabled APIs of every caller",
        "parity": "batch jobs fail whole batches, as the services do",
        "operation_seconds": "long-running operations look under way for so long (default: 0)",
        "json": JSON,
    }
)
@guarded
def start(
    _: Context,
    port: str = "0",
    strict: bool = False,
    parity: bool = False,
    operation_seconds: str = "0",
    json: bool = False,
) -> dict[str, Any]:
    """Start the local cloud in the background and write infra/stacks/Pulumi.local.yaml for it."""
    seconds = whole_number("--operation-seconds", operation_seconds, 3)
    options = [*(["--strict"] if strict else []), *(["--parity"] if parity else [])]
    options += ["--operation-seconds", str(seconds)] if seconds else []
    found, started = local_cloud.start(whole_number("--port", port, local_cloud.DEFAULT_PORT), options)
    if options and not started:
        raise StackError(f"The local cloud runs already, without {' '.join(options)}. Run: invoke local.stop")
    facts = {"url": found.url, "pid": found.pid, "state": str(found.state), "started": started}
    answer(json, facts, f"local cloud {'started' if started else 'runs already'}: {found.url} (process {found.pid})")
    return facts


@task(help={"json": JSON})
@guarded
def stop(_: Context, json: bool = False) -> dict[str, Any]:
    """Stop the local cloud; its state stays, and unfinished jobs go on at the next start."""
    url = read_local_stack().local_url
    stopped = local_cloud.stop(url)
    facts = {"url": url, "stopped": stopped is not None}
    answer(json, facts, f"local cloud stopped: {url}" if stopped else f"no local cloud runs at {url}")
    return facts


@task(help={"json": JSON})
@guarded
def status(_: Context, json: bool = False) -> dict[str, Any]:
    """Say whether the local cloud runs, where, and what it holds; exits 1 where it does not."""
    stack = read_local_stack()
    local_cloud.require(stack)
    found = local_cloud.health(stack.local_url)
    facts = {"url": stack.local_url, **(found.facts if found else {})}
    kept = [f"  {kind}: {count}" for kind, count in facts.get("resources", {}).items()]
    about = [f"{name}: {value}" for name, value in facts.items() if name != "resources"]
    answer(json, facts, *about, "resources:", *kept)
    return facts


@task(help={"json": JSON})
@guarded
def env(_: Context, json: bool = False) -> dict[str, str]:
    """Print `export NAME=value` lines that point other tools at the local cloud: eval "$(invoke local.env)"."""
    variables = local_cloud.environment(read_local_stack())
    if json:
        answer(True, variables)
    else:
        answer(False, variables, *(f"export {name}={value}" for name, value in variables.items()))
    return variables


@task(help={"yes": "do not ask", "snapshots": "the snapshots too", "json": JSON})
@guarded
def reset(_: Context, yes: bool = False, snapshots: bool = False, json: bool = False) -> dict[str, Any]:
    """Stop the local cloud and remove its state and the local stack's deployment, after asking."""
    confirm(yes, "Remove the local cloud's buckets, models and jobs, and the local stack?", "invoke local.reset --yes")
    with suppress(StackError):  # never started: there may still be state
        local_cloud.stop(read_stack("local").local_url)
    removed = [str(path) for path in local_cloud.reset(snapshots=snapshots)]
    answer(json, {"removed": removed}, *(f"removed {path}" for path in removed or ["nothing: there was no state"]))
    return {"removed": removed}
