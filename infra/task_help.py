"""`invoke TASK --help`, also of a task that needs a value: invoke would take --help for the value."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

HELP = {"--help", "-h"}


def help_first(arguments: Sequence[str]) -> list[str] | None:
    """Return a command line with its help flag before the task's name; None where it is no question for help."""
    program, *rest = arguments
    asked = [word for word in rest if word in HELP]
    others = [word for word in rest if word not in HELP]
    named = Path(program).name in {"invoke", "inv"} or Path(program).parent.name == "invoke"
    return [program, "--help", *others] if named and asked and len(others) == 1 and rest[-1] in HELP else None


def answer_help() -> None:
    """Start invoke anew where the help of one task is asked for behind the task's name."""
    turned = help_first(sys.argv)
    if turned:
        os.execv(sys.executable, [sys.executable, *turned])  # noqa: S606  # the same program, its words turned
