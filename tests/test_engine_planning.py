"""Resource options and failures that the recorded scenarios do not cover, by planner and applier alone."""

from typing import Any

import pytest

from infra.engine.goal import Goal
from infra.engine.registration import register
from infra.engine.state import Snapshot
from tests.engine_memory import Memory, Recorded


def ops(calls: list[dict[str, Any]]) -> list[str]:
    """Return calls as `op name`."""
    return [f"{call['op']} {call['name']}" for call in calls]


def test_deleted_with_leaves_the_deletion_to_its_container() -> None:
    """A resource that goes with another is forgotten without a provider call."""
    memory = Memory()
    memory.up({"box": {"v": 1}, "item": {"v": 1, "o": {"deleted_with": "box"}}})
    memory.calls()
    deployment = memory.destroy()
    assert ops(memory.calls()) == ["delete box"]
    assert deployment.tally.counts["delete"] == 3


def test_children_inherit_protection_and_retention() -> None:
    """What a component says of `protect` and `retain_on_delete` holds for its children that say nothing."""
    memory = Memory()
    memory.up({"comp": {"t": "C", "v": 1, "o": {"protect": True, "retain_on_delete": True}}})
    states = {state.urn.rsplit("::", 1)[1]: state for state in memory.snapshot.resources}
    assert states["comp-inner"].protect
    assert states["comp-inner"].retain_on_delete


def test_renaming_a_component_renames_its_children() -> None:
    """An alias on the parent is an alias on a child that carries the parent's name."""
    memory = Memory()
    memory.up({"old": {"t": "C", "v": 1}, "k": {"v": 1, "o": {"parent": "old"}}})
    memory.calls()
    program = {"new": {"t": "C", "v": 1, "o": {"aliases": [{"name": "old"}]}}, "k": {"v": 1, "o": {"parent": "new"}}}
    deployment = memory.up(program)
    assert memory.calls() == []
    assert deployment.tally.counts == {"same": 4}
    assert memory.names() == ["k", "new", "new-inner"]


def test_reparenting_with_an_alias_is_no_replacement() -> None:
    """A resource that moves under a component, and says where it was, stays."""
    memory = Memory()
    memory.up({"k": {"v": 1}})
    memory.calls()
    memory.up({"c": {"t": "C", "v": 1}, "k": {"v": 1, "o": {"parent": "c", "aliases": [{"no_parent": True}]}}})
    assert ops(memory.calls()) == ["create c-inner"]
    assert memory.names() == ["c", "c-inner", "k"]


def test_references_follow_an_alias() -> None:
    """What depends on a renamed resource refers to its new name, even where this run does not come to it."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"from": "a"}})
    memory.cloud.create_fails = ["f"]
    memory.up({"z": {"v": 1, "o": {"aliases": [{"name": "a"}]}}, "f": {"v": 1}})
    dependents = [state for state in memory.snapshot.resources if state.urn.endswith("::b")]
    assert [urn.rsplit("::", 1)[1] for urn in dependents[0].dependencies] == ["z"]


def test_a_protected_resource_is_not_replaced() -> None:
    """A replacement of a protected resource fails and touches nothing."""
    memory = Memory()
    memory.up({"a": {"v": 1, "force": "x", "o": {"protect": True}}})
    memory.calls()
    deployment = memory.up({"a": {"v": 1, "force": "y", "o": {"protect": True}}})
    assert "is protected: cannot replace it" in next(iter(deployment.tally.failures.values()))
    assert memory.calls() == []


def test_delete_before_replace_spares_protected_dependents() -> None:
    """A dependent that would be replaced too, and is protected, stops the replacement before anything is deleted."""
    memory = Memory()
    dependent = {"v": 1, "forcefrom": "a", "o": {"protect": True}}
    memory.up({"a": {"v": 1, "force": "x"}, "d": dependent})
    memory.calls()
    deployment = memory.up({"a": {"v": 1, "force": "y", "dbr": 1}, "d": dependent})
    assert not deployment.tally.ok
    assert memory.calls() == []


def test_a_replacement_cut_off_after_its_deletion_is_completed() -> None:
    """Where the new half of a delete-before-replace fails, the next up makes it and deletes nothing twice."""
    memory = Memory()
    memory.up({"a": {"v": 1, "force": "x"}})
    memory.cloud.create_fails = ["a"]
    memory.up({"a": {"v": 1, "force": "y", "dbr": 1}})
    memory.cloud.create_fails = []
    memory.calls()
    deployment = memory.up({"a": {"v": 1, "force": "y", "dbr": 1}})
    assert ops(memory.calls()) == ["create a"]
    assert deployment.tally.counts["replace"] == 1
    assert memory.names() == ["a"]


def test_a_deletion_that_fails_keeps_what_it_needs() -> None:
    """Resources that the kept one depends on stay with it, and so does what would have come after it."""
    memory = Memory(Recorded(delete_fails=["b"]))
    memory.up({"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 1}})
    deployment = memory.destroy()
    assert memory.names() == ["a", "b", "c"]
    assert deployment.tally.failures == {next(iter(deployment.tally.failures)): "b is in use"}
    memory.cloud.delete_fails = []
    memory.destroy()
    assert memory.snapshot.resources == ()


def test_a_refused_input_names_the_property() -> None:
    """A failed check is the resource's failure, with property and reason."""
    deployment = Memory().up({"a": {"v": "bad"}})
    assert list(deployment.tally.failures.values()) == ["v: must not be bad"]


def test_reading_a_resource_notes_it_as_external_and_never_deletes_it() -> None:
    """`get` records what stands; when the program drops it, it is forgotten without a call."""
    memory = Memory(Recorded(there={"there-1": {"name": "g", "v": 7, "made": "7.0!"}}))
    memory.up({"g": {"v": 7, "o": {"read_id": "there-1"}}, "user": {"from": "g"}})
    assert [state.external for state in memory.snapshot.resources if state.urn.endswith("::g")] == [True]
    assert ops(memory.calls()) == ["create user"]
    memory.up({})
    assert ops(memory.calls()) == ["delete user"]
    assert memory.names() == []


def test_importing_takes_over_what_stands() -> None:
    """An import makes no resource, and is made once; one of what is not there fails."""
    memory = Memory(Recorded(there={"there-1": {"name": "i", "v": 7, "made": "7.0!"}}))
    memory.up({})
    assert not memory.up({"i": {"v": 7, "o": {"import_id": "nowhere"}}}).tally.ok
    imported = {"i": {"v": 7, "o": {"import_id": "there-1"}}}
    assert memory.up(imported).tally.counts == {"same": 1, "import": 1}
    assert memory.up(imported).tally.counts == {"same": 2}
    assert memory.up({"i": {"v": 7}}).tally.counts == {"same": 2}
    assert memory.calls() == []


def test_an_import_that_differs_is_updated_and_never_replaced() -> None:
    """What a program says beyond the resource that stands is done after the import, unless that replaces it."""
    there = {"there-1": {"name": "i", "v": 7, "made": "7.0!"}}
    memory = Memory(Recorded(there=there))
    memory.up({})
    deployment = memory.up({"i": {"v": 8, "o": {"import_id": "there-1"}}})
    assert deployment.tally.counts == {"same": 1, "import": 1, "update": 1}
    assert ops(memory.calls()) == ["update i"]
    memory = Memory(Recorded(there=there))
    deployment = memory.up({"i": {"v": 7, "force": "x", "o": {"import_id": "there-1"}}})
    assert "drop `import_`" in next(iter(deployment.tally.failures.values()))
    assert memory.calls() == []


def test_refresh_drops_what_is_gone_from_what_others_say() -> None:
    """After a refresh no resource of the state refers to one that is not there."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"from": "a"}})
    memory.cloud.gone_on_read = ["a"]
    assert memory.refresh().tally.counts == {"delete": 1, "same": 2}
    (b,) = [state for state in memory.snapshot.resources if state.urn.endswith("::b")]
    assert (b.dependencies, b.property_dependencies) == ((), {"v": ()})


def test_only_targets_change() -> None:
    """Untargeted resources stay as they are; a target that needs a new one that is left out says so."""
    memory = Memory()
    memory.up({"a": {"v": 1}, "b": {"v": 1}})
    memory.calls()
    memory.up({"a": {"v": 2}, "b": {"v": 2}}, targets=("**::a",))
    assert ops(memory.calls()) == ["update a"]
    deployment = memory.up({"a": {"v": 2}, "n": {"v": 1}, "m": {"from": "n"}}, targets=("**::m",))
    assert "--target" in next(iter(deployment.tally.failures.values()))


def test_a_name_declared_twice_is_an_error() -> None:
    """Two resources of one type and name fail, the first one stands."""
    memory = Memory()
    deployment = memory.up({"a": {"v": 1}, "c": {"t": "C", "v": 1}, "c-inner": {"v": 2, "o": {"parent": "c"}}})
    assert "twice" in next(iter(deployment.tally.failures.values()))


def test_an_unknown_package_is_one_failure_that_names_the_cli() -> None:
    """Resources without a provider are not attempted; their package is named once."""
    memory = Memory()
    deployment = memory.deployment()
    for name in "ab":
        register(deployment, Goal("aws:s3/bucket:Bucket", name, custom=True, inputs={}, version="6.1.0"))
    (message,) = deployment.tally.failures.values()
    assert "package 'aws' has no provider" in message
    assert "--engine pulumi" in message
    assert len(deployment.tally.skipped) == 2


def test_outputs_of_secret_inputs_are_secret() -> None:
    """A provider never sees the mark, and its answer gets it back."""
    memory = Memory()
    memory.up({"s": {"v": 1, "secret": "hush", "o": {"additional_secret_outputs": ["made"]}}})
    (state,) = [state for state in memory.snapshot.resources if state.urn.endswith("::s")]
    assert state.outputs["secret"] == state.inputs["secret"]
    assert state.outputs["made"]["value"] == "1.0!"


@pytest.mark.parametrize("writes", range(1, 12))
def test_any_written_state_is_one_to_go_on_from(writes: int) -> None:
    """Cut off after the n-th write, the next up completes; what was in the state is not made again."""
    program: dict[str, Any] = {"a": {"v": 1}, "b": {"from": "a"}, "c": {"v": 1, "o": {"depends_on": ["b"]}}}
    whole = Memory()
    whole.up(program)
    assert len(whole.writes) == 10, "each step: one write when it begins, one when it is done"
    cut = Memory(whole.cloud, whole.writes[writes - 1]) if writes <= len(whole.writes) else whole
    stood = cut.names()
    whole.calls()
    cut.up(program)
    assert ops(cut.calls()) == [f"create {name}" for name in "abc" if name not in stood]
    assert cut.names() == ["a", "b", "c"]
    assert cut.snapshot.pending == ()


def test_an_interrupted_creation_is_in_the_state_before_it_begins() -> None:
    """Every creation stands among the pending operations of some write that precedes its resource."""
    memory = Memory()
    memory.up({"a": {"v": 1}})
    pending = [item.resource.urn for snapshot in memory.writes for item in snapshot.pending if item.kind == "creating"]
    assert any(urn.endswith("::a") for urn in pending)
    assert isinstance(memory.writes[-1], Snapshot)
    assert memory.writes[-1].pending == ()
