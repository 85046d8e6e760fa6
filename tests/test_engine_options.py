"""Resource options and targets at their edges: what Pulumi's own engine does, step by step."""

from dataclasses import replace
from typing import Any

import pytest

from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.goal import Alias, Goal
from infra.engine.ignoring import keep_old
from infra.engine.registration import register
from infra.engine.running import check_targets
from infra.engine.wire import secret
from tests.engine_memory import COMPONENT, STACK_URN, THING, Memory, Recorded


def calls(memory: Memory) -> list[str]:
    """Return the provider's calls since the last time."""
    return [f"{call['op']} {call['name']}" for call in memory.calls()]


def ops(deployment: Deployment) -> dict[str, str]:
    """Return the step of each resource, the last one of a name."""
    steps = deployment.events.steps  # type: ignore[attr-defined]
    return {step.urn.rsplit("::", 1)[1]: step.op for step in steps if not step.internal}


def failures(deployment: Deployment) -> dict[str, str]:
    """Return what failed, by name."""
    return {urn.rsplit("::", 1)[1]: message for urn, message in deployment.tally.failures.items()}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"a": [1, 2]}, {"a": [1]}, "a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}, {"x": 3}]}, "a[*].x"),
        ({"a": [1]}, {"a": [1, 2]}, "a[*]"),
        ({"a": {"b": 1}}, {}, "a.b"),
        ({"a": {"b": 1}}, {"a": 1}, "a.b"),
        ({"a": {"b": {"c": 1}}}, {"a": {}}, "a.*.c"),
        ({"a": {"b": 1}}, {"a": [1]}, "a[0].b"),
    ],
)
def test_a_path_that_one_side_lacks_cannot_be_ignored(old: dict[str, Any], new: dict[str, Any], path: str) -> None:
    """IgnoreChanges neither makes nor removes what leads to a property, nor places in a list."""
    with pytest.raises(StepError, match="one or more elements of the path are missing"):
        keep_old(new, old, [path])


@pytest.mark.parametrize(
    ("old", "new", "path", "kept"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": 4}}, "a.*", {"a": {"b": 1, "c": 2}}),
        ({"a": 1, "b": 2}, {"a": 3, "c": 4}, "*", {"a": 1, "b": 2}),
        ({"a": [1, 2]}, {"a": [3, 4]}, "a[*]", {"a": [1, 2]}),
        ({"a": {"x": {"v": 1}, "y": {"v": 2}}}, {"a": {"x": {"v": 3}, "y": {}}}, "a.*.v", None),
        ({}, {"a": [1]}, "a[3]", None),
        ({}, {"a": {"b": 1}}, "a.b", {"a": {}}),
        ({"a": 1}, {"a": 2}, "a.b.c", {"a": 2}),
        ({"a": secret({"b": 1})}, {"a": {"b": 2}}, "a.b", {"a": {"b": secret(1)}}),
        ({"a": {"b": 1}}, {"a": secret({"b": 2})}, "a.b", {"a": secret({"b": 1})}),
    ],
)
def test_ignored_paths_put_back_what_was_there(
    old: dict[str, Any], new: dict[str, Any], path: str, kept: dict[str, Any] | None
) -> None:
    """Wildcards, missing properties and secrets: the old value comes back, never out of a secret into the open."""
    if kept is None and path == "a[3]":
        with pytest.raises(StepError):
            keep_old(new, old, [path])
    else:
        assert keep_old(new, old, [path]) == (kept or {"a": {"x": {"v": 1}, "y": {"v": 2}}})


def test_a_replacement_takes_what_the_program_says_of_ignored_properties() -> None:
    """What is ignored holds for the resource that stands, not for its successor."""
    memory = Memory()
    memory.up({"a": {"v": 1, "force": "x"}})
    memory.calls()
    memory.up({"a": {"v": 2, "force": "y", "o": {"ignore_changes": ["v"]}}})
    assert memory.calls()[0]["value"] == "2.0"


def test_protection_that_is_new_does_not_stop_a_replacement() -> None:
    """Only what was protected before is refused; a preview shows the replacement beside the refusal."""
    memory = Memory()
    memory.up({"a": {"v": 1, "force": "x"}})
    assert memory.up({"a": {"v": 1, "force": "y", "o": {"protect": True}}}).tally.ok
    preview = memory.up({"a": {"v": 1, "force": "z", "o": {"protect": True}}}, preview=True)
    assert (ops(preview)["a"], list(failures(preview))) == ("replace", ["a"])
    deployment = memory.up({"a": {"v": 1, "force": "z", "o": {"protect": True}}})
    assert "python -m infra.engine state unprotect" in failures(deployment)["a"]


def test_an_alias_that_two_resources_claim_is_refused() -> None:
    """One resource cannot be carried on by two, nor while it is declared itself."""
    memory = Memory()
    memory.up({"a": {"v": 1}})
    twice = memory.up(
        {"b": {"v": 1, "o": {"aliases": [{"name": "a"}]}}, "c": {"v": 1, "o": {"aliases": [{"name": "a"}]}}}
    )
    assert list(failures(twice)) == ["c"]
    memory = Memory()
    memory.up({"a": {"v": 1}})
    both = memory.up({"a": {"v": 1}, "b": {"v": 1, "o": {"aliases": [{"name": "a"}]}}})
    assert list(failures(both)) == ["b"]
    memory = Memory()
    memory.up({"a": {"v": 1}})
    swapped = memory.up({"b": {"v": 1, "o": {"aliases": [{"name": "a"}]}}, "a": {"v": 1}})
    assert list(failures(swapped)) == ["a"]


def test_an_alias_by_a_renamed_parent_follows_it() -> None:
    """An alias that names the parent as it is now means the name that the parent had."""
    memory = Memory()

    def up(component: str, *aliases: Alias, child_aliases: tuple[Alias, ...] = ()) -> Deployment:
        deployment = memory.deployment()
        register(deployment, Goal("pulumi:pulumi:Stack", "memory-dev", custom=False, inputs={}))
        parent = Goal(COMPONENT, component, custom=False, inputs={}, parent=STACK_URN, aliases=aliases)
        urn = register(deployment, parent).urn
        inputs = {"name": "x", "v": 1}
        child = "x" if not child_aliases else "y"
        fixed = tuple(Alias(name=alias.name, parent=urn) for alias in child_aliases)
        register(deployment, Goal(THING, child, custom=True, inputs=inputs, parent=urn, aliases=fixed))
        return memory.finish(deployment)

    up("one")
    memory.calls()
    deployment = up("two", Alias(name="one"), child_aliases=(Alias(name="x"),))
    assert deployment.tally.counts == {"same": 3}
    assert memory.calls() == []


def test_a_replacement_that_was_cut_off_deletes_nothing_again() -> None:
    """After an interruption between deletion and creation the next run creates, and only that."""
    memory = Memory()
    program = {"a": {"v": 1, "force": "x", "dbr": 1}, "d": {"v": 1, "forcefrom": "a"}}
    memory.up(program)
    memory.cloud.create_fails = ["a"]
    program["a"]["force"] = "y"
    assert not memory.up(program).tally.ok
    memory.cloud.create_fails = []
    memory.calls()
    memory.up(program)
    assert calls(memory) == ["create a", "create d"]
    assert all(not state.pending_replacement and not state.delete for state in memory.snapshot.resources)


def test_what_was_to_be_replaced_and_is_dropped_is_only_forgotten() -> None:
    """A resource deleted ahead of a replacement that the program then gives up is not deleted again, nor counted."""
    memory = Memory(Recorded())
    program = {"a": {"v": 1, "force": "x", "dbr": 1}}
    memory.up(program)
    memory.cloud.create_fails = ["a"]
    memory.up({"a": {"v": 1, "force": "y", "dbr": 1}})
    memory.calls()
    deployment = memory.up({})
    assert (calls(memory), deployment.tally.changed, memory.names()) == ([], False, [])


def test_target_dependents_take_part() -> None:
    """With its dependents, a target brings along what uses it, and nothing else."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 1}})
    memory.calls()
    program = {"a": {"v": 2}, "b": {"from": "a"}, "c": {"v": 2}}
    memory.up(program, targets=("**::a",))
    assert calls(memory) == ["update a"]
    memory.up(program, targets=("**::a",), target_dependents=True)
    assert calls(memory) == ["update b"]


def test_a_star_stays_within_a_part_of_a_urn() -> None:
    """`*` names no colons, `**` does."""
    memory = Memory()
    memory.up({"a": {"v": 1}})
    assert not memory.up({"a": {"v": 2}}, targets=("*::a",)).tally.changed
    assert memory.up({"a": {"v": 2}}, targets=("urn:pulumi:*::*::*:*:*::a",)).tally.changed


def test_a_target_that_is_nowhere_is_refused() -> None:
    """A URN that neither state nor program knows is an error."""
    memory = Memory()
    memory.up({"a": {"v": 1}})
    deployment = memory.deployment(targets=(f"urn:pulumi:dev::memory::{THING}::nowhere",))
    check_targets(deployment)
    assert "nowhere" in deployment.tally.errors[0]


def test_targets_leave_new_components_out() -> None:
    """A component that is not named is not made, and its children neither."""
    memory = Memory()
    memory.up({"a": {"v": 1}})
    memory.calls()
    deployment = memory.up({"a": {"v": 2}, "comp": {"t": "C", "v": 1}}, targets=("**::a",))
    assert (deployment.tally.ok, memory.names(), calls(memory)) == (True, ["a"], ["update a"])
    deployment = memory.up({"a": {"v": 2}, "comp": {"t": "C", "v": 1}}, targets=("**::comp-inner",))
    assert list(failures(deployment)) == ["comp-inner"]


def test_a_targeted_deletion_names_what_hangs_on_it() -> None:
    """What is no longer declared goes with `--target` only if what depends on it goes too."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 1}})
    memory.calls()
    deployment = memory.up({"c": {"v": 1}}, targets=("**::a",))
    assert (list(failures(deployment)), calls(memory)) == (["b"], [])
    memory.up({"c": {"v": 1}}, targets=("**::a",), target_dependents=True)
    assert (calls(memory), memory.names()) == (["delete b", "delete a"], ["c"])


def test_a_state_stays_sound_when_targets_keep_what_the_program_dropped() -> None:
    """An untargeted resource is listed after what it needs, declared or not."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 1}})
    memory.up({"b": {"v": 5}, "c": {"v": 2}}, targets=("**::c",))
    order = [state.urn.rsplit("::", 1)[1] for state in memory.snapshot.resources]
    assert order.index("a") < order.index("b")
    assert memory.up({"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 2}}).tally.counts == {"same": 4}


def test_reading_what_was_managed_is_a_replacement_and_giving_it_up_no_change() -> None:
    """A `get` of another id replaces the managed resource; dropping the `get` discards it and calls nobody."""
    memory = Memory(Recorded(there={"other": {"name": "a", "v": 1, "made": "1.0!"}}))
    memory.up({"a": {"v": 1}})
    memory.calls()
    deployment = memory.up({"a": {"v": 1, "o": {"read_id": "other"}}})
    assert (ops(deployment)["a"], calls(memory)) == ("delete-replaced", ["delete a"])
    assert deployment.tally.counts["replace"] == 1
    dropped = memory.up({})
    assert (dropped.tally.counts, dropped.tally.changed, calls(memory)) == ({"same": 1, "discard": 1}, False, [])


def test_a_refresh_leaves_secret_outputs_sealed() -> None:
    """What a component, the stack or a provider marked as secret stays so when the state is read anew."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "comp": {"t": "C", "v": 1}})
    hidden = {"made": secret("1.0!"), "name": "a", "v": 1}
    marked = [
        replace(state, outputs=hidden) if state.urn.endswith(("::a", "::comp")) else state
        for state in memory.snapshot.resources
    ]
    memory.snapshot = replace(memory.snapshot, resources=tuple(marked))
    assert not memory.refresh().tally.changed
    assert [state.outputs for state in memory.snapshot.resources if state.urn.endswith(("::a", "::comp"))] == [
        hidden
    ] * 2
