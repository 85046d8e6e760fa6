"""Deployments of Google Cloud stacks: what the tasks ask of the Pulumi CLI, in which order, and what they refuse.

The Pulumi CLI is in no package registry: a stand-in on PATH writes down what it is asked and answers as it does.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from subprocess import CalledProcessError
from unittest.mock import Mock

import pytest
from semver import VersionInfo

from infra import deployment, engines, pulumi_cli, stacks
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
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token")
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
    """Looking is not judged: it runs once, on a stack that is made known to the backend first."""
    deployment.run("dev", "preview", "", False)
    assert asked(cli) == ["stack", "preview"]


def test_a_stacks_own_state_backend_is_used_unless_the_user_has_set_one(
    cli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stacks can keep their states apart without logging in and out."""
    file = cli / "Pulumi.dev.yaml"
    file.write_text(file.read_text() + "  keras-batch-prediction:stateBackend: gs://my-project-pulumi-state\n")
    deployment.run("dev", "preview", "", False)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///elsewhere")
    deployment.run("dev", "preview", "", False)
    backends = [json.loads(line)[1] for line in (cli / "log").read_text().splitlines()]
    assert backends == ["gs://my-project-pulumi-state"] * 2 + ["file:///elsewhere"] * 2


def test_the_cli_that_was_installed_here_is_found(cli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one on PATH, the one under .local is used; without either, the line names the command."""
    here = cli / "pulumi-cli" / "bin"
    here.mkdir(parents=True)
    (cli / "bin" / "pulumi").rename(here / "pulumi")
    with pytest.raises(StackError, match=r"no 'pulumi' is on PATH or under .*Run: invoke pulumi\.install"):
        deployment.run("dev", "preview", "", False)
    monkeypatch.setattr(engines, "CLI_HOME", cli / "pulumi-cli")
    deployment.run("dev", "preview", "", False)
    assert asked(cli) == ["stack", "preview"]


def test_a_cli_that_is_there_is_not_downloaded_again(cli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installer asks the one under .local for its version first."""
    program = cli / "pulumi-cli" / "bin" / "pulumi"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho v{version('pulumi')}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pulumi_cli, "CLI_HOME", cli / "pulumi-cli")
    assert pulumi_cli.install() == pulumi_cli.Installed(str(program), version("pulumi"))


def test_the_installer_gets_the_sdks_version_and_its_failure_is_one_line(
    cli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi's own installer is called with the pinned version and the folder under .local."""
    asked_for: list[tuple[str, str]] = []

    def install(root: str, version: VersionInfo) -> None:
        asked_for.append((root, str(version)))
        raise OSError("no network")

    monkeypatch.setattr(pulumi_cli, "CLI_HOME", cli / "pulumi-cli")
    monkeypatch.setattr("pulumi.automation.PulumiCommand.install", install)
    with pytest.raises(StackError, match=r"Pulumi CLI 3\..* was not installed: no network\."):
        pulumi_cli.install()
    broken = CalledProcessError(1, "sh", output=b"curl: (6)\nNo such version.\n")
    monkeypatch.setattr("pulumi.automation.PulumiCommand.install", Mock(side_effect=broken))
    with pytest.raises(StackError, match=r"not installed: No such version\. Check the network"):
        pulumi_cli.install()
    with pytest.raises(StackError, match=r"--version is 'new'; wanted: a version such as"):
        pulumi_cli.install("new")
    assert asked_for == [(str(cli / "pulumi-cli"), version("pulumi"))]
