"""Consecutive programs whose plans were recorded from the real Pulumi engine, run by planner and applier alone."""

import json
from typing import Any

import pytest

from infra.engine.deployment import Deployment
from tests.engine_memory import Memory
from tests.engine_stack import DATA

SCENARIOS: list[dict[str, Any]] = json.loads((DATA / "scenarios.json").read_text())
WORDS = {
    "+": "create",
    "~": "update",
    "-": "delete",
    "+-": "replace",
    "unchanged": "same",
}


def run(memory: Memory, scenario: dict[str, Any]) -> Deployment:
    """Run one scenario's command."""
    memory.cloud.create_fails = scenario["create_fails"]
    memory.cloud.gone_on_read = scenario["gone_on_read"]
    program = scenario["program"]
    if scenario["command"] == "refresh":
        return memory.refresh()
    if scenario["command"] == "destroy":
        return memory.destroy()
    preview = scenario["command"] == "preview"
    return memory.up(program["r"], tuple(program.get("transform", ())), preview=preview)


def counts(summary: list[str]) -> dict[str, int]:
    """Read the recorded lines: `+ 8 created`, `+-1 to replace`, `5 unchanged`, `2 errored`."""
    found = {}
    for line in summary:
        sign = line.split("1")[0].strip() if line.startswith("+-") else line.split()[0]
        sign, number = (sign, line.split()[1]) if sign in WORDS else (line.split()[1], line.split()[0])
        if line.startswith("+-"):
            sign, number = "+-", line.removeprefix("+-").split()[0]
        found[WORDS.get(sign, sign)] = int(number)
    return found


@pytest.fixture(scope="module")
def deployments() -> dict[str, tuple[Deployment, list[dict[str, Any]]]]:
    """Every scenario run after the one before it, with the provider calls it made."""
    memory = Memory()
    return {scenario["name"]: (run(memory, scenario), memory.calls()) for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_steps_are_those_of_the_real_engine(
    scenario: dict[str, Any], deployments: dict[str, tuple[Deployment, list[dict[str, Any]]]]
) -> None:
    """Provider calls, exit code and counts of each scenario equal the recording."""
    deployment, calls = deployments[scenario["name"]]
    assert sorted(map(str, calls)) == sorted(map(str, scenario["provider_calls"]))
    assert int(not deployment.tally.ok) == scenario["exit"]
    expected = counts(scenario["summary"])
    # The CLI counts the stack itself among the errored, and leaves `unchanged` out beside two kinds of changes.
    failures = expected.pop("errored", 1) - 1
    assert len(deployment.tally.failures) == failures
    found = {op: count for op, count in deployment.tally.counts.items() if op in expected or op != "same"}
    assert found == expected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_dependent_calls_keep_their_order(
    scenario: dict[str, Any], deployments: dict[str, tuple[Deployment, list[dict[str, Any]]]]
) -> None:
    """What a resource takes from another is made after it and deleted before it."""
    _, calls = deployments[scenario["name"]]
    order = {(call["op"], call["name"]): place for place, call in enumerate(calls)}
    for name, spec in scenario["program"]["r"].items():
        source = spec.get("from") or spec.get("forcefrom")
        if ("create", name) in order and ("create", source) in order:
            assert order["create", source] < order["create", name]
        if ("delete", name) in order and ("delete", source) in order:
            assert order["delete", name] < order["delete", source]
