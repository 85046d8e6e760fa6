"""The task `pulumi.install`: the CLI that deploys stacks on Google Cloud."""

from dataclasses import asdict
from typing import Any

from invoke import Context, task

from infra import pulumi_cli
from infra.errors import InfraError
from infra.reporting import answer, one_line_errors, say

JSON = "end stdout with one JSON object; all else goes to stderr"

guarded = one_line_errors(InfraError, interrupted="Run again: invoke pulumi.install")


@task(help={"version": "the CLI's version (default: that of the Pulumi SDK in uv.lock)", "json": JSON})
@guarded
def install(_: Context, version: str = "", json: bool = False) -> dict[str, Any]:
    """Put the Pulumi CLI under .local/pulumi-cli by Pulumi's own installer; it goes before one on PATH."""
    say("downloading from get.pulumi.com, unless it is there")
    facts = asdict(pulumi_cli.install(version))
    answer(json, facts, f"Pulumi CLI {facts['version']}: {facts['path']}")
    return facts
