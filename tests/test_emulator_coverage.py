"""COVERAGE.md says what is true: it is what its generator makes, and the tests that it names are there."""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from infra.emulator import coverage
from infra.emulator.calls import HANDLERS
from infra.emulator.discovery import VERSIONS
from infra.emulator.reasons import REASONS, reason

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


@pytest.mark.parametrize("api", ["aiplatform", "ml"])
def test_every_other_method_of_prediction_says_why(api: str) -> None:
    """What is not handled is answered 501 with a reason, not only with its id; a reason that fits nothing is none."""
    every = {method for version in VERSIONS[api] for method in coverage.method_ids(api, version)}
    missing = every - set(HANDLERS)
    assert all(reason(method) for method in missing)
    patterns = [pattern for pattern, _ in REASONS if pattern.startswith(f"{api}.")]
    assert [pattern for pattern in patterns if not any(fnmatchcase(method, pattern) for method in missing)] == []
