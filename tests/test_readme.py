"""The README says what is true: its commands exist, every task has help, its links and files are there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke import Collection, Task

import tasks
from tests.task_arguments import arguments_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TASKS: dict[str, Task[Any]] = {name: tasks.namespace[name] for name in tasks.namespace.task_names}
NAMED = sorted(set(re.findall(r"invoke ([a-z][a-z.-]*[a-z])", README)))


PAGES = sorted(path.relative_to(ROOT).as_posix() for part in ("infra", "model") for path in (ROOT / part).rglob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_only_tasks_and_files_that_exist(page: str) -> None:
    """What stands beside the code is held to it as the README is."""
    text = (ROOT / page).read_text()
    assert [name for name in re.findall(r"invoke ([a-z][a-z.-]*[a-z])", text) if name not in TASKS] == []
    files = re.findall(r"`((?:infra|model|tests)/[\w./-]+\.\w+)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_namespace_is_a_collection() -> None:
    """`invoke --list` shows the explicit namespace."""
    assert isinstance(tasks.namespace, Collection)


def test_readme_starts_with_the_two_commands() -> None:
    """The demo and the tests are the first two commands a reader meets."""
    block = README.split("```sh\n")[1]
    assert block.startswith("pip install uv && uv run invoke demo")
    assert block.splitlines()[1].startswith("pip install uv && uv run invoke test")


@pytest.mark.parametrize("name", NAMED)
def test_readme_names_only_tasks_that_exist(name: str) -> None:
    """Each `invoke NAME` of the README is a task."""
    assert name in TASKS


@pytest.mark.parametrize("name", sorted(TASKS))
def test_readme_names_every_task(name: str) -> None:
    """A task that the README does not name might as well not exist."""
    assert name in README


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_and_every_option_has_help(name: str) -> None:
    """`invoke --help NAME` explains the task and each of its flags."""
    found = TASKS[name]
    assert found.__doc__ and "\n" not in found.__doc__.strip().split("\n\n")[0]
    options = {argument.name: argument.help for argument in arguments_of(found)}
    assert [option for option, text in options.items() if not text] == []


@pytest.mark.parametrize(
    "module",
    [
        "infra.emulator",
        "infra.engine",
        "model.batch_predict",
        "model.bench",
        "model.beam_predict",
        "model.train",
        "model.export",
        "model.results",
    ],
)
def test_every_program_has_help(module: str) -> None:
    """`python -m MODULE --help` explains the program."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "usage" in done.stdout.lower()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:infra|model|tests|infra/stacks)/[a-zA-Z_./]+)`", README)))
)
def test_readme_names_only_files_that_exist(path: str) -> None:
    """Each path of the repository that the README names is there."""
    generated = path.endswith("Pulumi.local.yaml")
    assert generated or (ROOT / path).exists()


def test_readme_is_short() -> None:
    """A README that is not read helps nobody."""
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", sorted(name for name, task in TASKS.items() if task.iterable))
def test_repeatable_options_are_lists(name: str) -> None:
    """Invoke takes an option's type from its default: a tuple would be read as one letter after the other."""
    kinds = {argument.name: argument.kind for argument in arguments_of(TASKS[name])}
    assert {kinds[option] for option in TASKS[name].iterable} == {list}
