"""A stack that one engine made is never run over by the other, and changes hands by one command.

The Pulumi CLI is in no package registry: a stand-in on PATH keeps and gives back states as the CLI's file backend does.
"""

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clones import Clone, make_clone

STAND_IN = """#!{python}
import json, os, pathlib, sys
stack = sys.argv[sys.argv.index("--stack") + 1] if "--stack" in sys.argv else sys.argv[4]
backend = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
state = backend / ".pulumi/stacks/keras-batch-prediction" / (stack + ".json")
file = pathlib.Path(sys.argv[sys.argv.index("--file") + 1]) if "--file" in sys.argv else None
verb = sys.argv[2]
if verb == "select":
    state.parent.mkdir(parents=True, exist_ok=True)
elif verb == "import":
    deployment = json.loads(file.read_text())["deployment"]
    state.write_text(json.dumps({{"version": 3, "checkpoint": {{"stack": stack, "latest": deployment}}}}))
elif verb == "export":
    latest = json.loads(state.read_text())["checkpoint"]["latest"]
    file.write_text(json.dumps({{"version": 3, "deployment": latest}}))
elif verb == "rm":
    state.unlink()
else:
    sys.exit("unknown: " + " ".join(sys.argv))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A copy whose local stack the embedded engine has made."""
    made = make_clone(tmp_path_factory.mktemp("clone"))
    made.facts("local.start")
    made.facts("up")
    yield made
    made.invoke("local.stop")


@pytest.fixture
def cli(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, first on PATH."""
    program = clone.path / "bin" / "pulumi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def embedded_state(clone: Clone) -> Path:
    """Where the embedded engine keeps the state."""
    return clone.path / ".local/stacks/keras-batch-prediction/local.json"


@pytest.mark.long
def test_without_the_cli_the_line_names_its_install(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves while the engine that would take over is not there."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "pulumi").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    done = clone.invoke("hand-over", "--engine", "pulumi")
    assert done.returncode == 1
    assert "Run: invoke pulumi.install" in done.stderr
    assert embedded_state(clone).exists()


def test_the_other_engine_is_refused_with_the_command_that_hands_over(clone: Clone, cli: Path) -> None:
    """`up --engine pulumi` on a stack of the embedded engine changes nothing and names the hand-over."""
    assert cli.exists()
    done = clone.invoke("up", "--engine", "pulumi")
    assert done.returncode == 1
    assert "invoke hand-over --stack local --engine pulumi" in done.stderr
    assert clone.facts("preview")["changeSummary"] == {"same": 22}


@pytest.mark.long
def test_a_stack_goes_to_the_cli_and_comes_back_unchanged(clone: Clone, cli: Path) -> None:
    """Resources and their outputs survive both ways; the giver keeps no state that it could run by."""
    assert cli.exists()
    before = json.loads(embedded_state(clone).read_text())["deployment"]["resources"]
    given = clone.facts("hand-over", "--engine", "pulumi")
    assert (given["from"], given["engine"], given["resources"]) == ("embedded", "pulumi", len(before))
    assert not embedded_state(clone).exists()
    refused = clone.invoke("up")
    assert refused.returncode == 1
    assert "invoke hand-over --stack local --engine embedded" in refused.stderr
    taken = clone.facts("hand-over", "--engine", "embedded")
    assert taken["resources"] == len(before)
    assert clone.facts("preview")["changeSummary"] == {"same": 22}
    assert clone.facts("up")["summary"] == {"same": 22}


def test_handing_over_what_is_not_there_is_refused(clone: Clone) -> None:
    """An engine's own stack, and an engine that does not exist, are told so in one line."""
    for engine, words in (("embedded", "already"), ("terraform", "'terraform'")):
        done = clone.invoke("hand-over", "--engine", engine)
        assert done.returncode == 1
        assert words in done.stderr
