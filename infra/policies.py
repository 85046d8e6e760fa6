"""A whole plan held against the rules of infra/policy: what stands and stays, and what is about to change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.policy.rules import violations
from infra.stacks import ROOT, Stack, StackError

PACK = ROOT / "infra" / "policy"
GOING = {"delete", "delete-replaced", "discard"}

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Planned:
    """What a stack holds after the next up: each resource's type and inputs by its name, providers left out."""

    resources: Mapping[str, tuple[str, Json]]


@dataclass(frozen=True)
class Broken:
    """A rule that a resource breaks."""

    resource: str
    type: str
    problem: str


def plan_of(preview: Json, state: Sequence[Json]) -> Planned:
    """Put together what stands, from an engine's state, and what its preview as JSON says will change."""
    found = {str(row["urn"]): row for row in state}
    for step in preview.get("steps", ()):
        if step["op"] in GOING:
            found.pop(step["urn"], None)
        elif step.get("newState"):
            found[step["urn"]] = step["newState"]
    own = {urn: row for urn, row in found.items() if not str(row["type"]).startswith("pulumi:")}
    return Planned({urn.rsplit("::", 1)[1]: (row["type"], row.get("inputs") or {}) for urn, row in own.items()})


def judge(stack: Stack, plan: Planned) -> list[Broken]:
    """Return every rule that a plan breaks, resource by resource."""
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in stack.config.items()}
    return [
        Broken(name, type_, problem)
        for name, (type_, inputs) in sorted(plan.resources.items())
        for problem in violations(type_, inputs, config)
    ]


def enforce(stack: Stack, plan: Planned) -> None:
    """Refuse a plan that breaks a rule.

    Raises:
        StackError: it does; the line has the first and the number of all.
    """
    broken = judge(stack, plan)
    if broken:
        first = f"{broken[0].resource!r} breaks {broken[0].problem}"
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        msg = f"Stack {stack.name!r} is not deployed: {first}{more}. Run: invoke policy --stack {stack.name}"
        raise StackError(msg)
