"""The tasks `stack.*`: which stacks there are, new ones, and where the Pulumi CLI keeps their states."""

from typing import Any

from invoke import Context, task

from infra import github as workflow
from infra import stack_files, state_backend
from infra.errors import InfraError
from infra.reporting import answer, hint, one_line_errors, table
from infra.stacks import ROOT, read_stack

JSON = "end stdout with one JSON object; all else goes to stderr"
COLUMNS = ("stack", "cloud", "project", "region", "models", "endpoints")

guarded = one_line_errors(InfraError, interrupted="Run: invoke stack.list")


@task(
    positional=["name"],
    help={
        "name": "the stack's name: its file is infra/stacks/Pulumi.NAME.yaml",
        "project": "the Google Cloud project",
        "region": "the region, such as us-central1",
        "json": JSON,
    },
)
@guarded
def new(_: Context, name: str, project: str = "", region: str = "", json: bool = False) -> dict[str, Any]:
    """Write a complete, commented stack file for a Google Cloud project; one that is there is left alone."""
    made = stack_files.new_stack(name, project, region)
    facts = {"stack": name, "file": str(made.path.relative_to(ROOT)), "project": project, "region": region}
    answer(json, facts, f"{facts['file']}: every setting, with its meaning and default")
    hint(f"Next: invoke doctor --stack {name}, then: invoke up --stack {name}")
    return facts


@task(name="list", help={"json": JSON})
@guarded
def list_(_: Context, json: bool = False) -> dict[str, Any]:
    """List the stacks that have a file, where each is, and what is wrong with its file if anything is."""
    rows = [stack_files.facts(each) for each in stack_files.overviews()]
    facts = {"stacks": rows}
    if rows and not json:
        table("Stacks", COLUMNS, [[row[column] for column in COLUMNS] for row in rows])
    nothing = "No stack has a file. Run: invoke local.start, or: invoke stack.new NAME --project P --region R"
    problems = [row["problem"] for row in rows if row["problem"]]
    answer(json, facts, *(problems if rows else [nothing]))
    return facts


@task(
    help={"stack": "the stack: infra/stacks/Pulumi.STACK.yaml", "bucket": "default: PROJECT-pulumi-state", "json": JSON}
)
@guarded
def backend(_: Context, stack: str, bucket: str = "", json: bool = False) -> dict[str, Any]:
    """Make a private, versioned bucket for a Google Cloud stack's state, and name it in the stack's file."""
    address, made = state_backend.choose_bucket(read_stack(stack), bucket)
    facts = {"stack": stack, "stateBackend": address, "made": made}
    was = "made" if made else "there already"
    answer(json, facts, f"{address}: {was}; setting 'stateBackend' of stack {stack!r}")
    hint("Next: export PULUMI_CONFIG_PASSPHRASE=... (kept by you), then: invoke up --stack " + stack)
    return facts


@task(help={"stack": "the stack: infra/stacks/Pulumi.STACK.yaml", "json": JSON})
@guarded
def github(_: Context, stack: str, json: bool = False) -> dict[str, Any]:
    """Print the commands that tell .github/workflows/deploy.yml of a stack that has the setting githubRepository."""
    found = read_stack(stack)
    named = workflow.variables(found)
    lines = workflow.commands(found, named)
    facts = {"stack": stack, "variables": named, "commands": lines}
    answer(json, facts, *lines)
    return facts
