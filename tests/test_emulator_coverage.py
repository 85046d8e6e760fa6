"""COVERAGE.md says what is true: it is what its generator makes, and the tests that it names are there."""

import ast
from pathlib import Path

import pytest

from infra.emulator import coverage
from infra.emulator.calls import HANDLERS

ROOT = Path(__file__).parent.parent
ROWS = [line.split(" | ") for line in coverage.PAGE.read_text().splitlines() if line.startswith("| `")]


def test_the_page_is_what_its_generator_makes() -> None:
    """Whoever adds a method, renames a handler or records anew runs: invoke local.coverage."""
    assert coverage.PAGE.read_text() == coverage.page(), "Run: invoke local.coverage"


def test_every_handled_method_has_a_row_with_a_proof() -> None:
    """None is left out, and each has its kind of proof."""
    named = {row[0].removeprefix("| `").split("`")[0] for row in ROWS}
    assert named == set(HANDLERS)
    assert {row[2] for row in ROWS} <= set(coverage.KINDS)


@pytest.mark.parametrize("test", sorted({row[3].removesuffix(" |") for row in ROWS}))
def test_the_named_tests_exist(test: str) -> None:
    """Each proof is a test of this suite."""
    name, _, function = test.partition("::")
    tree = ast.parse((ROOT / "tests" / name).read_text())
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_modules_say_what_they_hold_calls_against() -> None:
    """The recorded trace is marked as such, the fuzzers as shape only; a kind that is none would be noticed."""
    kinds = coverage._kinds()
    assert kinds["test_emulator_trace.py"] == "recorded"
    assert set(kinds.values()) <= set(coverage.KINDS)
