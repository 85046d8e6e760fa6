"""The tasks `local.*`: this clone's local cloud, started, looked at, stopped, forgotten."""

import json as jsonlib
from contextlib import suppress
from itertools import chain
from typing import Any

from invoke import Context, task

from infra import local_cloud, request_logs
from infra.errors import InfraError
from infra.reporting import answer, confirm, one_line_errors
from infra.stacks import StackError, read_local_stack, read_stack
from infra.task_options import whole_number

PORT = "port of the local cloud (default: where it runs or ran last, LOCAL_CLOUD_PORT, or 8790)"
JSON = "end stdout with one JSON object; all else goes to stderr"

guarded = one_line_errors(InfraError, interrupted="Run: invoke local.status")


@task(help={"port": PORT, "json": JSON})
@guarded
def start(_: Context, port: str = "0", json: bool = False) -> dict[str, Any]:
    """Start the local cloud in the background and write infra/stacks/Pulumi.local.yaml for it."""
    found, started = local_cloud.start(whole_number("--port", port, local_cloud.DEFAULT_PORT))
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


@task(help={"yes": "do not ask", "json": JSON})
@guarded
def reset(_: Context, yes: bool = False, json: bool = False) -> dict[str, Any]:
    """Stop the local cloud and remove its state and the local stack's deployment, after asking."""
    confirm(yes, "Remove the local cloud's buckets, models and jobs, and the local stack?", "invoke local.reset --yes")
    with suppress(StackError):  # never started: there may still be state
        local_cloud.stop(read_stack("local").local_url)
    removed = [str(path) for path in local_cloud.reset()]
    answer(json, {"removed": removed}, *(f"removed {path}" for path in removed or ["nothing: there was no state"]))
    return {"removed": removed}


@task(
    help={
        "follow": "go on with the requests that come, until Ctrl-C",
        "lines": "how many of the last requests (default: 20)",
        "match": "only where id, method or address has this in it",
        "errors": "only refused requests",
        "json": "one JSON object a request",
    }
)
@guarded
def logs(
    _: Context, follow: bool = False, lines: str = "20", match: str = "", errors: bool = False, json: bool = False
) -> None:
    """Show the local cloud's requests: when, status, duration, id, method, address, and why it refused."""
    path, count = local_cloud.REQUESTS, whole_number("--lines", lines, 20)
    if not path.exists() and not follow:
        raise StackError("The local cloud has answered nothing yet. Run: invoke local.start")
    found = request_logs.last(path, count, match, errors=errors) if path.exists() else []
    later = request_logs.follow(path, match, errors=errors) if follow else iter(())
    with suppress(KeyboardInterrupt):  # how a tail ends
        for request in chain(found, later):
            print(jsonlib.dumps(request.facts()) if json else request.line(), flush=True)
