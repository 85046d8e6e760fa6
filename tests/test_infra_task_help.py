"""Help is there wherever it is asked for, also behind the name of a task that needs a value."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.task_help import help_first

INVOKE = "/somewhere/bin/invoke"


@pytest.mark.parametrize(
    ("words", "turned"),
    [
        (["stack.new", "--help"], ["--help", "stack.new"]),
        (["up", "-h"], ["--help", "up"]),
        (["--help", "up"], None),
        (["--help"], None),
        (["up"], None),
        (["up", "train", "--help"], None),
        (["up", "--stack", "x", "--help"], None),
    ],
)
def test_only_a_question_about_one_task_is_turned(words: list[str], turned: list[str] | None) -> None:
    """Every other command line is left to invoke, and so is that of another program."""
    assert help_first([INVOKE, *words]) == (turned and [INVOKE, *turned])
    assert help_first(["/somewhere/bin/pytest", *words]) is None


def test_a_task_that_needs_a_value_tells_its_options() -> None:
    """`invoke stack.new --help` would else make a stack of that name."""
    command = [sys.executable, "-m", "invoke", "stack.new", "--help"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--region" in done.stdout
