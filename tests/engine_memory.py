"""The planner and applier without processes: a recorded provider in memory, programs as tables of resources."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.engine.deleting import delete_all, delete_leftovers
from infra.engine.deployment import Deployment, Options
from infra.engine.goal import Alias, Goal, Outcome
from infra.engine.ledger import Ledger
from infra.engine.providers import (
    UNKNOWN,
    CheckFailure,
    Created,
    Diff,
    Properties,
    ProviderError,
    Read,
    Standing,
)
from infra.engine.refreshing import refresh_all
from infra.engine.registration import register
from infra.engine.registry import Registry
from infra.engine.state import Snapshot
from infra.engine.steps import Step
from infra.engine.wire import plain, secret

THING = "memory:index:Thing"
COMPONENT = "memory:index:Component"
STACK_URN = "urn:pulumi:dev::memory::pulumi:pulumi:Stack::memory-dev"

# ruff: noqa: ARG002  (a provider's verbs, and a watcher's, take what any of them may need)


@dataclass
class Recorded:
    """Makes things in memory, and keeps the calls."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    create_fails: list[str] = field(default_factory=list)
    delete_fails: list[str] = field(default_factory=list)
    gone_on_read: list[str] = field(default_factory=list)
    drift: dict[str, Properties] = field(default_factory=dict)
    there: dict[str, Properties] = field(default_factory=dict)  # what `get` and imports find, by id

    def record(self, op: str, name: str, value: object) -> None:
        """Keep a call."""
        self.calls.append({"op": op, "name": name, "value": value})

    def check(
        self, urn: str, old_inputs: Properties | None, new_inputs: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Refuse what says that it is bad."""
        bad = [CheckFailure("v", "must not be bad")] if new_inputs.get("v") == "bad" else []
        return new_inputs, bad

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Compare as the program of recorded resources does."""
        changed = [key for key in ("v", "force", "secret") if old.outputs.get(key) != new_inputs.get(key)]
        forced = ("force",) if "force" in changed else ()
        return Diff(bool(changed), replace_keys=forced, delete_before_replace=bool(new_inputs.get("dbr")))

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:
        """Make a thing."""
        name = inputs["name"]
        if preview:
            return Created("", inputs)
        if name in self.create_fails:
            self.record("fail", name, None)
            raise ProviderError(f"{name} refused")
        self.record("create", name, written(inputs["v"]))
        return Created(f"id-{name}-{inputs.get('force')}", {**inputs, "made": f"{written(inputs['v'])}!"})

    def read(self, old: Standing) -> Read | None:
        """Say what stands."""
        if not old.outputs:
            found = self.there.get(old.id)
            return Read(old.id, found, found) if found else None
        name = old.outputs["name"]
        if name in self.gone_on_read:
            return None
        return Read(old.id, old.inputs, {**old.outputs, **self.drift.get(name, {})})

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Take new values."""
        if preview:
            return new_inputs
        self.record("update", new_inputs["name"], written(new_inputs["v"]))
        return {**new_inputs, "made": f"{written(new_inputs['v'])}!"}

    def delete(self, old: Standing, timeout: float) -> None:
        """Drop a thing."""
        if old.outputs["name"] in self.delete_fails:
            raise ProviderError(f"{old.outputs['name']} is in use")
        self.record("delete", old.outputs["name"], old.id)


def written(value: object) -> str:
    """Write a value as the recordings have it."""
    text = str(float(value)) if isinstance(value, int | float) else str(value)
    return f"<{text}>" if text.endswith("!") else text


@dataclass
class Watcher:
    """Keeps what a display would show."""

    steps: list[Step] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)

    def begun(self, step: Step) -> None:
        """Nothing to keep."""

    def done(self, step: Step, seconds: float) -> None:
        """Keep a step."""
        self.steps.append(step)

    def failed(self, urn: str, message: str) -> None:
        """Keep a failure."""
        self.logs.append(message)

    def log(self, severity: str, message: str, urn: str = "") -> None:
        """Keep a message."""
        self.logs.append(message)

    def stack_outputs(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Nothing to keep."""


@dataclass
class Memory:
    """A stack in memory: what stands, what was written, and the provider's cloud."""

    cloud: Recorded = field(default_factory=Recorded)
    snapshot: Snapshot = field(default_factory=Snapshot)
    writes: list[Snapshot] = field(default_factory=list)

    def deployment(self, **options: Any) -> Deployment:
        """Begin a deployment."""
        ledger = Ledger(self.snapshot, self.writes.append, ordered="targets" in options)
        registry = Registry({"memory": lambda _: self.cloud}, self.snapshot.resources)
        return Deployment(Options("memory", "dev", **options), ledger, registry, Watcher())

    def finish(self, deployment: Deployment) -> Deployment:
        """Keep a deployment's state."""
        deployment.ledger.save()
        if not deployment.options.preview:
            self.snapshot = deployment.ledger.snapshot()
        return deployment

    def up(self, resources: dict[str, Any], transformed: tuple[str, ...] = (), **options: Any) -> Deployment:
        """Register a table of resources, as a program with an SDK would."""
        deployment = self.deployment(**options)
        program = Program(deployment, transformed)
        register(deployment, Goal("pulumi:pulumi:Stack", "memory-dev", custom=False, inputs={}))
        for name, spec in resources.items():
            program.declare(name, spec)
        if deployment.tally.ok:
            delete_leftovers(deployment)
        return self.finish(deployment)

    def refresh(self, **options: Any) -> Deployment:
        """Compare the state with the cloud."""
        deployment = self.deployment(**options)
        refresh_all(deployment)
        return self.finish(deployment)

    def destroy(self, **options: Any) -> Deployment:
        """Delete everything."""
        deployment = self.deployment(**options)
        delete_all(deployment, deployment.ledger.olds())
        return self.finish(deployment)

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls since the last time."""
        found, self.cloud.calls = self.cloud.calls, []
        return found

    def names(self) -> list[str]:
        """Return the names of the things that stand."""
        return sorted(s.urn.rsplit("::", 1)[1] for s in self.snapshot.resources if not s.type.startswith("pulumi:"))


@dataclass
class Program:
    """Turns rows into goals; a failed resource's outputs are unknown, as SDKs have it."""

    deployment: Deployment
    transformed: tuple[str, ...]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def declare(self, name: str, spec: dict[str, Any]) -> None:
        """Register one row; a component brings its child."""
        options = dict(spec.get("o", {}))
        parent = self.outcomes[options.pop("parent")].urn if "parent" in options else STACK_URN
        if spec.get("t") == "C":
            goal = self.optioned(Goal(COMPONENT, name, custom=False, inputs={}, parent=parent), options)
            self.outcomes[name] = register(self.deployment, goal)
            child = Goal(THING, f"{name}-inner", custom=True, inputs={"name": f"{name}-inner", "v": spec["v"]})
            register(self.deployment, replace(child, parent=self.outcomes[name].urn))
            return
        inputs, touched = self.inputs(name, spec)
        goal = Goal(THING, name, custom=True, inputs=inputs, parent=parent, property_dependencies=touched)
        goal = replace(goal, dependencies=tuple(urn for urns in touched.values() for urn in urns))
        self.outcomes[name] = register(self.deployment, self.optioned(goal, options))

    def inputs(self, name: str, spec: dict[str, Any]) -> tuple[Properties, dict[str, tuple[str, ...]]]:
        """Return a row's inputs and the resources that each comes from."""
        found: Properties = {"name": name, **{key: spec[key] for key in ("v", "force", "dbr") if key in spec}}
        touched: dict[str, tuple[str, ...]] = {}
        if "from" in spec:
            source = self.outcomes[spec["from"]]
            found["v"], touched["v"] = plain(source.outputs.get("made", UNKNOWN)), (source.urn,)
        if "forcefrom" in spec:
            source = self.outcomes[spec["forcefrom"]]
            found["force"], touched["force"] = source.id or UNKNOWN, (source.urn,)
        if "secret" in spec:
            found["secret"] = secret(spec["secret"])
        if name in self.transformed:
            found["v"] = "T"
        return found, touched

    def optioned(self, goal: Goal, options: dict[str, Any]) -> Goal:
        """Add a row's options to a goal."""
        after = tuple(self.outcomes[name].urn for name in options.pop("depends_on", ()))
        aliases = tuple(Alias(**alias) for alias in options.pop("aliases", ()))
        if "deleted_with" in options:
            options["deleted_with"] = self.outcomes[options["deleted_with"]].urn
        lists: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in options.items()
        }
        return replace(goal, dependencies=goal.dependencies + after, aliases=aliases, **lists)
