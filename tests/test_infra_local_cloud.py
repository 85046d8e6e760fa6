"""This clone's local cloud as tasks find it: its port, its neighbours, a stack file that was damaged."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.clones import Clone, free_port, make_clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A copy whose local cloud runs."""
    made = make_clone(tmp_path_factory.mktemp("clone"))
    made.facts("local.start")
    yield made
    made.invoke("local.stop")


def only_line(clone: Clone, *arguments: str) -> str:
    """Run a task that must fail with one line, and return it."""
    done = clone.invoke(*arguments)
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1
    return line


@pytest.mark.long
def test_a_cloud_on_another_port_stays_the_clones_own(tmp_path: Path) -> None:
    """Where the port is taken the line names the way out, and every later task finds the cloud there."""
    clone = make_clone(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", clone.port))
        holder.listen()
        assert f"export LOCAL_CLOUD_PORT={clone.port + 1}" in only_line(clone, "local.start")
        port = free_port()
        started = clone.facts("local.start", "--port", str(port))
        try:
            assert urlsplit(started["url"]).port == port
            assert clone.facts("local.start") == {**started, "started": False}
            line = only_line(clone, "local.start", "--port", str(clone.port))
            assert f"runs at {started['url']}" in line
            assert line.endswith(f"invoke local.stop, then: invoke local.start --port {clone.port}")
        finally:
            assert clone.facts("local.stop")["stopped"]


@pytest.mark.long
def test_uploads_are_forgotten_with_the_state_that_held_them(tmp_path: Path) -> None:
    """Who removes .local by hand starts anew: the stack names no model that is gone, and keeps its other settings."""
    clone = make_clone(tmp_path)
    stack = clone.path / "infra/stacks/Pulumi.local.yaml"
    clone.facts("local.start")
    clone.facts("local.stop")
    document = yaml.safe_load(stack.read_text())
    uploaded = {"keras-batch-prediction:models": {"decorator": {"artifactUri": "gs://b/m", "digest": "0" * 12}}}
    document["config"] |= uploaded | {"keras-batch-prediction:keepVersions": 3}
    stack.write_text(yaml.safe_dump(document))
    clone.facts("local.start")
    clone.facts("local.stop")
    assert yaml.safe_load(stack.read_text())["config"].items() >= uploaded.items()
    shutil.rmtree(clone.path / ".local")
    clone.facts("local.start")
    clone.facts("local.stop")
    left = yaml.safe_load(stack.read_text())["config"]
    assert "keras-batch-prediction:models" not in left
    assert left["keras-batch-prediction:keepVersions"] == 3


@pytest.mark.long
def test_another_clones_cloud_is_never_worked_on(clone: Clone, tmp_path: Path) -> None:
    """Started on its port, or found there later, it is refused by the name of its state's folder."""
    other = make_clone(tmp_path)
    folder = str(clone.path / ".local" / "cloud")
    assert folder in only_line(other, "local.start", "--port", str(clone.port))
    stack = Path("infra/stacks/Pulumi.local.yaml")
    (other.path / stack).write_text((clone.path / stack).read_text())
    for task in ("up", "outputs", "predict"):
        assert folder in only_line(other, task), task
    assert clone.facts("local.status")["url"]


def test_mistakes_are_told_as_json_where_it_is_asked_for(clone: Clone) -> None:
    """With --json a failed task's last line of stdout is one object, and exactly one, that says why."""
    for arguments in (
        ["predict", "--instances", "nope"],
        ["up", "--engine", "none"],
        ["outputs"],
        ["train", "-e", "x"],
    ):
        done = clone.invoke(*arguments, "--json")
        (line,) = done.stdout.splitlines()
        assert done.returncode == 1
        assert json.loads(line) == {"error": done.stderr.strip()}


def test_a_failed_deployment_tells_its_facts_as_json(clone: Clone) -> None:
    """What an engine did before it failed is in the one object on stdout."""
    done = clone.invoke("up", "--json", "--target", "nowhere")
    (line,) = done.stdout.splitlines()
    facts = json.loads(line)
    assert done.returncode == 1
    assert (facts["engine"], facts["result"]) == ("embedded", "failed")
    assert "'nowhere'" in facts["errors"][0]["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("config: [a: b\n", ["line 2", "not YAML"]),
        ("config: text\n", ["'text'", "invoke local.start"]),
        ("just text\n", ["no mapping", "invoke local.start"]),
        ("config:\n  gcp:project: local-project\n", ["lacks gcp:storageCustomEndpoint", "invoke local.start"]),
    ],
)
def test_a_damaged_stack_file_is_named_with_the_way_out(clone: Clone, text: str, words: list[str]) -> None:
    """Every task that reads it says in one line what is wrong and where."""
    stack = clone.path / "infra/stacks/Pulumi.local.yaml"
    whole = stack.read_text()
    stack.write_text(text)
    try:
        for task in ("local.env", "local.status", "local.stop"):
            line = only_line(clone, task)
            assert line.startswith("infra/stacks/Pulumi.local.yaml ")
            assert all(word in line for word in words), line
    finally:
        stack.write_text(whole)
