"""Edits of a whole program on the local cloud: what hangs on a replaced resource is planned as the real engine did."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import ROOT, LocalCloud, start_cloud
from tests.real_stack import DATA, settings

PROGRAM = (DATA / "engine" / "recorded_program.txt").read_text()
MODEL = (DATA / "engine" / "recorded_model.txt").read_text()
EDITS: list[dict[str, Any]] = json.loads((DATA / "gcp-edits.json").read_text())
CHAINS = [edit for edit in EDITS if len(edit["steps"]) > 1]


def engine(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the engine on the project's stack."""
    return subprocess.run(
        [sys.executable, "-m", "infra.engine", *arguments, "--stack", "local", "-C", str(project)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PULUMI_CONFIG_PASSPHRASE": ""},
        check=False,
    )


def write(project: Path, cloud: LocalCloud) -> None:
    """Write the recorded program, and a stack that reaches the local cloud."""
    (project / "Pulumi.yaml").write_text("name: trace\nruntime: python\n")
    config = {f"gcp:{key}": value for key, value in settings(cloud.url).items()}
    (project / "Pulumi.local.yaml").write_text(json.dumps({"config": config}))
    (project / "infra").mkdir()
    (project / "infra" / "__init__.py").touch()
    (project / "infra" / "model_version.py").write_text(MODEL)
    (project / "__main__.py").write_text(PROGRAM)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack that the recorded program made."""
    folder = tmp_path_factory.mktemp("trace")
    cloud = start_cloud(tmp_path_factory.mktemp("trace-cloud"))
    write(folder, cloud)
    made = engine(folder, "up", "--yes")
    assert made.returncode == 0, made.stdout
    yield folder
    cloud.stop()


@pytest.mark.long
@pytest.mark.parametrize("edit", CHAINS, ids=lambda edit: edit["edit"])
def test_an_edit_plans_every_resource_as_recorded(project: Path, edit: dict[str, Any]) -> None:
    """Steps, changed paths, replace reasons, counts and exit code of the whole stack equal the recording."""
    (project / "__main__.py").write_text(PROGRAM.replace(edit["from"], edit["to"], 1))
    ran = engine(project, "preview", "--json")
    document = json.loads(ran.stdout.splitlines()[-1])
    steps: dict[str, list[dict[str, Any]]] = {}
    for step in document["steps"]:
        if step["op"] != "same":
            row = {"op": step["op"], "diff": sorted(step["detailedDiff"] or {})}
            steps.setdefault(step["urn"].rsplit("::", 1)[1], []).append(
                {**row, "replaceReasons": step.get("replaceReasons", [])}
            )
    expected = {name: [{**step, "diff": sorted(step["diff"])} for step in each] for name, each in edit["steps"].items()}
    assert (steps, document["changeSummary"], ran.returncode) == (expected, edit["summary"], edit["exit"])
