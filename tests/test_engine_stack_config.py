"""Pulumi.yaml and stack files: values as programs get them."""

from pathlib import Path

import pytest

from infra.engine import stack_config
from infra.engine.errors import EngineError
from infra.engine.sealing import sealer_of
from infra.engine.stack_config import find_project, read_stack_config, resolve


def write(folder: Path, project: str = "name: p\nruntime: python\n", **stacks: str) -> Path:
    """Write a project's files."""
    (folder / "Pulumi.yaml").write_text(project)
    for name, text in stacks.items():
        (folder / f"Pulumi.{name}.yaml").write_text(text)
    return folder


def test_values_are_text_and_objects_are_json(tmp_path: Path) -> None:
    """Numbers, booleans, lists and maps arrive as Pulumi passes them; bare keys get the project's namespace."""
    text = """
config:
  gcp:project: demo
  p:count: 3
  p:flag: true
  p:date: 2026-11-23
  plain: hello
  p:labels: {team: ml, a: [1, two]}
"""
    project = find_project(write(tmp_path, dev=text))
    config = resolve(project, read_stack_config(project, "dev", has_state=False), None)
    assert dict(config.values) == {
        "gcp:project": "demo",
        "p:count": "3",
        "p:flag": "true",
        "p:date": "2026-11-23",
        "p:plain": "hello",
        "p:labels": '{"a":[1,"two"],"team":"ml"}',
    }


def test_secure_values_are_opened_and_their_keys_known(tmp_path: Path) -> None:
    """A sealed value, alone or inside an object, makes its key a secret."""
    sealer = sealer_of("", "")
    sealed = sealer.seal("here", "hush")
    text = f"config:\n  p:token:\n    secure: {sealed}\n  p:box:\n    inner:\n      secure: {sealed}\n  p:open: yes!\n"
    project = find_project(write(tmp_path, dev=text))
    document = read_stack_config(project, "dev", has_state=False)
    assert stack_config.has_secure_values(document)
    config = resolve(project, document, sealer)
    assert config.values == {"p:token": "hush", "p:box": '{"inner":"hush"}', "p:open": "yes!"}
    assert config.secrets == {"p:token", "p:box"}


def test_the_project_gives_defaults(tmp_path: Path) -> None:
    """`config` of Pulumi.yaml holds where the stack says nothing."""
    settings = "config:\n  size: {type: integer, default: 3}\n  gcp:zone: {value: z}\n"
    text = f"name: p\nruntime: {{name: python}}\nmain: app\n{settings}"
    project = find_project(write(tmp_path, text, dev="config: {p:size: 4}\n"))
    assert project.program == tmp_path / "app"
    config = resolve(project, read_stack_config(project, "dev", has_state=False), None)
    assert config.values == {"p:size": "4", "gcp:zone": "z"}


def test_the_project_is_found_from_below(tmp_path: Path) -> None:
    """A command may be run in any folder of the project."""
    below = write(tmp_path) / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below).root == tmp_path


def test_a_project_without_stack_files_needs_none(tmp_path: Path) -> None:
    """Any stack name does, until there is a first stack file; then a wrong name is refused with the right ones."""
    project = find_project(write(tmp_path))
    assert read_stack_config(project, "any", has_state=False) == {}
    write(tmp_path, dev="", prod="config: {}\n")
    with pytest.raises(EngineError, match=r"No stack 'typo'.*The stacks are: dev, prod"):
        read_stack_config(project, "typo", has_state=False)
    assert read_stack_config(project, "made", has_state=True) == {}


def test_a_project_that_names_a_folder_for_stack_files_needs_one(tmp_path: Path) -> None:
    """StackConfigDir without the stack's file is a wrong stack name."""
    project = find_project(write(tmp_path, "name: p\nruntime: python\nstackConfigDir: infra/stacks\n"))
    with pytest.raises(EngineError, match=r"there is no file 'infra/stacks/Pulumi.local.yaml'"):
        read_stack_config(project, "local", has_state=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runtime: python\n", "no `name`"),
        ("name: p\nruntime: nodejs\n", "runtime 'nodejs'"),
        ("name: [\n", "Cannot read"),
        ("- a\n", "no mapping"),
    ],
)
def test_a_bad_project_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong with Pulumi.yaml is said with its name."""
    with pytest.raises(EngineError, match=said) as caught:
        find_project(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "Pulumi.yaml" in str(caught.value)


def test_no_project_at_all_names_the_flag(tmp_path: Path) -> None:
    """A folder without Pulumi.yaml says how to name another."""
    with pytest.raises(EngineError, match="-C DIR"):
        find_project(tmp_path)
