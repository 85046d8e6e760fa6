"""Deployments as JSON: `preview --json` in the form of the Pulumi CLI, one object for every other command."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.engine import urn as names
from infra.engine.display import Display
from infra.engine.state import ResourceState, resource_to_json
from infra.engine.steps import PHYSICAL, SAME, Step, Tally
from infra.engine.wire import masked


class Digest:
    """Watches a deployment beside a display, and keeps its steps."""

    def __init__(self, events: Display) -> None:
        self._events = events
        self.steps: list[Step] = []
        self.diagnostics: list[dict[str, str]] = []

    def begun(self, step: Step) -> None:
        """Pass on."""
        self._events.begun(step)

    def done(self, step: Step, seconds: float) -> None:
        """Keep a step that is shown, and pass on."""
        if _is_shown(step):
            self.steps.append(step)
        self._events.done(step, seconds)

    def failed(self, urn: str, message: str) -> None:
        """Keep a failure, and pass on."""
        self.diagnostics.append({"urn": urn, "message": message, "severity": "error"})
        self._events.failed(urn, message)

    def log(self, severity: str, message: str, urn: str = "") -> None:
        """Keep a message, and pass on."""
        if severity != "debug":
            self.diagnostics.append({"urn": urn, "message": message, "severity": severity})
        self._events.log(severity, message, urn)

    def stack_outputs(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Pass on."""
        self._events.stack_outputs(before, after)

    def summary(self, tally: Tally, seconds: float, title: str) -> None:
        """Pass on."""
        self._events.summary(tally, seconds, title)


def _is_shown(step: Step) -> bool:
    if step.internal or step.op in PHYSICAL:
        return False
    if step.op != SAME or names.type_of(step.urn) == names.STACK_TYPE:
        return True
    return step.old is not None and step.new is not None and step.old.protect != step.new.protect


def preview_json(digest: Digest, tally: Tally, config: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Write a preview as `pulumi preview --json` does; the duration is in nanoseconds there."""
    document: dict[str, Any] = {
        "config": dict(config),
        "steps": [_step(step) for step in digest.steps],
        "diagnostics": digest.diagnostics,
        "duration": int(seconds * 1e9),
        "changeSummary": {op: count for op, count in sorted(tally.counts.items()) if count},
    }
    return {key: value for key, value in document.items() if value or key in ("steps", "changeSummary")}


def _step(step: Step) -> dict[str, Any]:
    row: dict[str, Any] = {"op": step.op, "urn": step.urn}
    provider = (step.new or step.old or ResourceState("", "")).provider
    if provider:
        row["provider"] = provider
    if step.old is not None:
        row["oldState"] = _state(step.old)
    if step.new is not None:
        row["newState"] = _state(step.new)
    if step.diffs:
        row["diffReasons"] = list(step.diffs)
    if step.replace_keys:
        row["replaceReasons"] = list(step.replace_keys)
    row["detailedDiff"] = step.changes and {
        path: {"kind": change.kind, "inputDiff": change.input_diff} for path, change in step.changes.items()
    }
    return row


def _state(state: ResourceState) -> dict[str, Any]:
    return resource_to_json(replace(state, inputs=masked(state.inputs), outputs=masked(state.outputs)))
