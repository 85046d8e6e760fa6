"""Deployments of Google Cloud stacks: what the tasks ask of the Pulumi CLI, in which order, and what they refuse.

The Pulumi CLI is in no package registry: a stand-in on PATH writes down what it is asked and answers as it does.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from infra import deployment, stacks
from infra.policy.rules import BUCKET
from infra.stacks import StackError

STAND_IN = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], os.environ.get("PULUMI_BACKEND_URL", "")]) + "\\n")
if "export" in sys.argv:
    print(json.dumps({{"version": 3, "deployment": {{}}}}))
elif "preview" in sys.argv and "--json" in sys.argv:
    print(open({answer!r}).read())
"""
STEP = {
    "op": "create",
    "urn": f"urn:pulumi:dev::keras-batch-prediction::{BUCKET}::bucket",
    "newState": {
        "type": BUCKET,
        "inputs": {
            "location": "europe-west4",
            "publicAccessPrevention": "enforced",
            "uniformBucketLevelAccess": True,
            "labels": {"app": "a", "stack": "dev"},
        },
    },
}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Google stack `dev` and the stand-in, whose folder is returned."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    text = STAND_IN.format(python=sys.executable, log=str(tmp_path / "log"), answer=str(tmp_path / "answer"))
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(stacks, "FOLDER", tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: my-project\n  gcp:region: europe-west4\n")
    (tmp_path / "answer").write_text(json.dumps({"steps": [STEP]}, indent=4))
    return tmp_path


def asked(cli: Path) -> list[str]:
    """Return the verbs that the CLI was asked for."""
    lines = (cli / "log").read_text().splitlines() if (cli / "log").exists() else []
    return [json.loads(line)[0][0] for line in lines]


def test_a_google_stack_is_judged_before_it_is_deployed(cli: Path) -> None:
    """`up` reads the CLI's own preview and state first."""
    deployment.run("dev", "up", "", False)
    verbs = [verb for verb in asked(cli) if verb != "stack"]
    assert verbs == ["preview", "up"]


def test_a_plan_that_breaks_a_rule_is_never_deployed(cli: Path) -> None:
    """The CLI is not even asked to."""
    bad = json.loads(json.dumps(STEP).replace("enforced", "inherited"))
    (cli / "answer").write_text(json.dumps({"steps": [bad]}, indent=4))
    with pytest.raises(StackError, match=r"'bucket' breaks no-public-access: .*Run: invoke policy --stack dev"):
        deployment.run("dev", "up", "", False)
    assert "up" not in asked(cli)


def test_a_preview_is_the_clis_own(cli: Path) -> None:
    """Looking is not judged: it runs once."""
    deployment.run("dev", "preview", "", False)
    assert asked(cli) == ["preview"]
