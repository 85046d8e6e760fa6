"""The tasks that move the local cloud's clock, make it fail on purpose, and show what it was asked."""

import json as jsonlib
import re
from contextlib import suppress
from itertools import chain
from typing import Any

from invoke import Context, task

from infra import local_cloud, request_logs
from infra.errors import InfraError
from infra.local_admin import ask
from infra.reporting import answer, one_line_errors
from infra.stacks import StackError
from infra.task_options import whole_number

JSON = "end stdout with one JSON object; all else goes to stderr"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

guarded = one_line_errors(InfraError, interrupted="Run: invoke local.status")


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
    path, count = local_cloud.REQUESTS, whole_number("--lines", lines, 20, least=0)
    if not path.exists() and not follow:
        raise StackError("The local cloud has answered nothing yet. Run: invoke local.start")
    found = request_logs.last(path, count, match, errors=errors) if path.exists() else []
    later = request_logs.follow(path, match, errors=errors) if follow else iter(())
    with suppress(KeyboardInterrupt):  # how a tail ends
        for request in chain(found, later):
            print(jsonlib.dumps(request.facts()) if json else request.line(), flush=True)


@task(
    help={
        "add": "latency, error, fullDisk, slowStart, lostShard or duplicatedRow",
        "method": "the discovery methods it strikes, with * and ? (default: all)",
        "rate": "the share of calls it strikes (default: 1)",
        "seed": "which of them: the same seed strikes the same ones again (default: 0)",
        "seconds": "how long: latency, slowStart (default: 1)",
        "code": "the HTTP status: error (default: 503)",
        "times": "how often at most (default: no limit)",
        "clear": "remove all faults there are",
        "json": JSON,
    }
)
@guarded
def faults(
    _: Context,
    add: str = "",
    method: str = "*",
    rate: str = "1",
    seed: str = "0",
    seconds: str = "1",
    code: str = "503",
    times: str = "0",
    clear: bool = False,
    json: bool = False,
) -> dict[str, Any]:
    """List the faults of the local cloud, add one, or clear all of them."""
    cleared = ask("DELETE", "faults")["cleared"] if clear else []
    if add:
        whole = {"seed": seed, "code": code, "times": times}
        numbers = {name: whole_number(f"--{name}", text, 1) for name, text in whole.items()}
        shares = {"rate": _number("--rate", rate, "0.1"), "seconds": _number("--seconds", seconds, "1.5")}
        ask("POST", "faults", {"kind": add, "method": method, **shares, **numbers})
    active = ask("GET", "faults")["faults"]
    lines = [_fault_line(one) for one in active] or ["no faults"]
    facts = {"faults": active, "cleared": cleared}
    answer(json, facts, *(f"cleared {_fault_line(one)}" for one in cleared), *lines)
    return facts


def _fault_line(fault: dict[str, Any]) -> str:
    what = f"{fault['kind']} in {fault['method']}, rate {fault['rate']:g}, seed {fault['seed']}"
    return f"{fault['id']}: {what}: struck {fault['struck']} of {fault['calls']} calls"


def _number(option: str, text: str, example: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InfraError(f"{option} is {text!r}; wanted: a number. Run with: {option} {example}") from None


@task(
    help={
        "advance": "move it on by so much: 90s, 15m, 12h, 30d (a minus moves it back)",
        "set": "set it to a time, as 2031-01-31T12:00:00Z",
        "reset": "set it back to the machine's time",
        "json": JSON,
    }
)
@guarded
def clock(
    _: Context,
    advance: str = "",
    set: str = "",  # noqa: A002 - the option's name
    reset: bool = False,
    json: bool = False,
) -> dict[str, Any]:
    """Tell the local cloud's time, or move it: lifecycle rules, retention and job times go by it."""
    if len([one for one in (advance, set, reset) if one]) > 1:
        raise InfraError("Only one of --advance, --set and --reset. Run: invoke local.clock --advance 1d")
    if advance:
        facts = ask("POST", "clock", {"advanceSeconds": _seconds(advance)})
    elif set or reset:
        facts = ask("POST", "clock", {"time": set} if set else {})
    else:
        facts = ask("GET", "clock")
    ahead = f" ({facts['aheadSeconds']:+,.0f} s against this machine)" if abs(facts["aheadSeconds"]) >= 1 else ""
    answer(json, facts, f"{facts['time']}{ahead}")
    return facts


def _seconds(text: str) -> float:
    """Read a duration."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)([smhd]?)", text)
    if not found:
        raise InfraError(f"--advance is {text!r}; wanted: a duration. Run with: --advance 12h")
    return float(found[1]) * UNITS[found[2] or "s"]
