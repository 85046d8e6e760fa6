"""The tasks of who changes this bundle: lint and types, and the tests."""

import os
import shlex
import sys

from invoke import Context, Exit, task


@task
def check(c: Context) -> None:
    """Lint, format and types."""
    for command in ("ruff check", "ruff format --check", "mypy"):
        tool(c, "check", command)


@task(help={"long": "also fuzzing, repeated kills and large files", "match": "only tests that match, as pytest -k"})
def test(c: Context, long: bool = False, match: str = "") -> None:
    """Run the test suite on the real parts: emulator, engine, SavedModels, Google's client libraries."""
    chosen = [*([] if long else ["-m", "not long"]), *(["-k", match] if match else [])]
    tool(c, "test", shlex.join(["pytest", *chosen]))


def tool(c: Context, group: str, command: str) -> None:
    """Run a tool of a dependency group, which uv installs where it is missing."""
    done = c.run(f"{os.environ.get('UV', 'uv')} run --group {group} {command}", warn=True, pty=sys.stdout.isatty())
    if done is None or not done.ok:
        raise Exit(code=done.exited if done else 1)
