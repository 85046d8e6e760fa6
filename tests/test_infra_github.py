"""The workflow: its commands exist, its tokens reach the right account, and it holds no key."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke import Task

import tasks
from infra import deployment, github
from infra.setting_table import SETTINGS
from infra.stacks import Stack, StackError
from tests.task_arguments import arguments_of

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
ON = WORKFLOW[True]  # YAML 1.1 reads the key `on` so
LINES = [line for job in JOBS.values() for step in job["steps"] for line in step.get("run", "").splitlines()]
CONFIG = {
    "gcp:project": "my-project",
    "gcp:region": "us-central1",
    "keras-batch-prediction:githubRepository": "me/it",
    "keras-batch-prediction:stateBackend": "gs://my-project-pulumi-state",
}
POOL = "projects/1/locations/global/workloadIdentityPools/github-dev-1/providers/github"
OUTPUT = {"workloadIdentityProvider": POOL, "deployer": "d@p.iam", "previewer": "v@p.iam"}


def steps(job: str, action: str) -> list[dict[str, Any]]:
    """Return a job's steps that use an action."""
    return [step for step in JOBS[job]["steps"] if step.get("uses", "").startswith(f"{action}@")]


def accepts(task: Task[Any], flag: str) -> bool:
    """Tell whether a task has an option."""
    return flag in {f"--{name}" for argument in arguments_of(task) for name in argument.names}


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_a_task_with_such_options(line: str) -> None:
    """Nothing is run that this repository does not have."""
    words = shlex.split(line)
    assert words[:3] == ["uv", "run", "invoke"]
    task = tasks.namespace[words[3]]
    assert all(accepts(task, word) for word in words[4:] if word.startswith("-"))


def test_checks_run_first_and_on_every_change() -> None:
    """Lint, types, tests and the rules; preview and deployment wait for them, and hold the real plan to the rules."""
    assert [line.split()[3] for line in LINES if line in str(JOBS["check"])][:2] == ["check", "test"]
    assert any("invoke policy" in step.get("run", "") for step in JOBS["check"]["steps"])
    for job, last in (("preview", "preview"), ("deploy", "up")):
        assert JOBS[job]["needs"] == "check"
        runs = [shlex.split(step["run"])[3] for step in JOBS[job]["steps"] if "run" in step]
        assert runs.index("policy") < runs.index(last)


def test_pull_requests_preview_and_the_branch_of_the_setting_deploys() -> None:
    """A pull request never reaches the account that deploys; forks reach neither."""
    (branch,) = ON["push"]["branches"]
    assert branch == SETTINGS["githubBranch"].default
    assert f"github.ref == 'refs/heads/{branch}'" in JOBS["deploy"]["if"]
    assert "github.event_name == 'push'" in JOBS["deploy"]["if"]
    assert "github.event_name == 'pull_request'" in JOBS["preview"]["if"]
    assert "head.repo.full_name == github.repository" in JOBS["preview"]["if"]
    assert "pull_request_target" not in TEXT
    accounts = {
        job: steps(job, "google-github-actions/auth")[0]["with"]["service_account"] for job in ("preview", "deploy")
    }
    assert accounts == {"preview": "${{ vars.PREVIEWER }}", "deploy": "${{ vars.DEPLOYER }}"}


def test_no_key_is_stored_and_no_job_may_more_than_it_needs() -> None:
    """The one secret is the passphrase of Pulumi's state; only jobs that ask Google for a token can get one."""
    assert set(re.findall(r"secrets\.(\w+)", TEXT)) == {github.PASSPHRASE}
    assert "credentials_json" not in TEXT
    assert WORKFLOW["permissions"] == {}
    for name, job in JOBS.items():
        wanted = {"contents": "read", **({"id-token": "write"} if steps(name, "google-github-actions/auth") else {})}
        assert job["permissions"] == wanted
        assert all(step["with"]["persist-credentials"] is False for step in steps(name, "actions/checkout"))


def test_actions_are_pinned_by_their_commits() -> None:
    """Whoever moves an action's tag runs nothing here; the tag that was meant stands behind."""
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_the_workflow_reads_the_variables_that_the_task_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable has its command, with the value of the stack's output; the passphrase is asked for."""
    monkeypatch.setattr(deployment, "outputs", lambda _stack: {"github": OUTPUT})
    stack = Stack("dev", Path("Pulumi.dev.yaml"), CONFIG)
    named = github.variables(stack)
    assert set(re.findall(r"vars\.(\w+)", TEXT)) == set(named)
    assert (named["STACK"], named["DEPLOYER"], named["WORKLOAD_IDENTITY_PROVIDER"]) == ("dev", "d@p.iam", POOL)
    lines = github.commands(stack, named)
    assert lines[0] == "gh variable set STACK --body dev --repo me/it"
    assert lines[-1] == "gh secret set PULUMI_CONFIG_PASSPHRASE --repo me/it"


@pytest.mark.parametrize(
    ("key", "found", "remedy"),
    [
        (
            "githubRepository",
            OUTPUT,
            "pulumi config set keras-batch-prediction:githubRepository OWNER/NAME",
        ),
        ("stateBackend", OUTPUT, "invoke stack.backend --stack dev"),
        ("", {}, "invoke up --stack dev"),
    ],
)
def test_a_stack_that_is_not_ready_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch, key: str, found: dict[str, str], remedy: str
) -> None:
    """Without a repository, a backend for the state, or the pool there is nothing to tell the workflow."""
    monkeypatch.setattr(deployment, "outputs", lambda _stack: {"github": found})
    config = {name: value for name, value in CONFIG.items() if not name.endswith(f":{key}")}
    with pytest.raises(StackError, match=re.escape(remedy)) as caught:
        github.variables(Stack("dev", Path("Pulumi.dev.yaml"), config))
    assert "\n" not in str(caught.value)
