"""Policy packs in the embedded engine: what breaks a rule is never made, and nothing that depends on it."""

from pathlib import Path

import pytest

from tests.engine_stack import EngineStack, new_stack

RULES = """
from dataclasses import dataclass

@dataclass
class Seen:
    type: str

def violations(type_, inputs, config):
    bad = inputs.get("v") == "bad"
    return [f"no-bad: v of {Seen(type_).type.split(':')[-1]} is 'bad'; wanted: better"] if bad else []
"""


@pytest.fixture
def stack(tmp_path: Path) -> EngineStack:
    """A stack that has nothing yet, and a pack beside it."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "rules.py").write_text(RULES)
    return new_stack(tmp_path / "stack")


def pack(stack: EngineStack) -> list[str]:
    """Return the flag that names the pack."""
    return ["--policy-pack", str(stack.folder.parent / "pack")]


def test_a_resource_that_breaks_a_rule_is_not_made(stack: EngineStack) -> None:
    """The others are; the run fails and says which rule, what is there and what is wanted."""
    stack.set({"a": {"v": "good"}, "b": {"v": "bad"}, "c": {"from": "b"}})
    ran = stack.run("up", "--yes", "--json", *pack(stack))
    assert ran.code == 1
    assert [call["name"] for call in stack.calls()] == ["a"]
    (error,) = ran.json["errors"]
    assert error["message"].endswith("is 'bad'; wanted: better")
    assert error["message"].startswith("policy no-bad: ")


def test_a_preview_finds_it_first(stack: EngineStack) -> None:
    """`preview` with the pack fails as `up` would, and without the pack nothing is judged."""
    stack.set({"b": {"v": "bad"}})
    ran = stack.run("preview", *pack(stack))
    assert ran.code == 1
    assert "no-bad" in ran.out + ran.err
    assert stack.run("preview").code == 0


def test_a_folder_without_rules_is_refused(stack: EngineStack) -> None:
    """A misspelt folder is no pack without rules: nothing is deployed."""
    stack.set({"a": {"v": "good"}})
    ran = stack.run("up", "--yes", "--policy-pack", str(stack.folder / "none"))
    assert ran.code == 1
    assert "it has no rules.py" in ran.err
    assert stack.calls() == []
