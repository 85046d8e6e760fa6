"""What the workflow .github/workflows/deploy.yml has to be told of a stack, as GitHub's own client sets it."""

import shlex
from collections.abc import Mapping
from typing import Any

from infra import deployment
from infra.setting_table import NAMESPACE
from infra.settings import from_config
from infra.stacks import Stack, StackError

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105  # the secret's name: the passphrase itself is the user's
OUTPUTS = {
    "WORKLOAD_IDENTITY_PROVIDER": "workloadIdentityProvider",
    "DEPLOYER": "deployer",
    "PREVIEWER": "previewer",
}


def variables(stack: Stack) -> dict[str, str]:
    """Return the workflow's variables for a stack that is deployed with its identity pool.

    Raises:
        StackError: the stack names no repository or no backend for its state, or is not deployed so.
    """
    settings = from_config(stack.config, stack.name)
    again = f"then: invoke up --stack {stack.name}"
    if not settings.github_repository:
        how = f"pulumi config set {NAMESPACE}:githubRepository OWNER/NAME --stack {stack.name}, {again}"
        msg = f"Stack {stack.name!r} is deployed from no repository: githubRepository is empty. Run: {how}"
        raise StackError(msg)
    if not (settings.state_backend or stack.local_url):
        how = f"invoke stack.backend --stack {stack.name}"
        msg = f"Stack {stack.name!r} keeps its state where you are logged in. Run: {how}"
        raise StackError(msg)
    found: Mapping[str, Any] = deployment.outputs(stack).get("github") or {}
    if not found:
        msg = f"Stack {stack.name!r} has no identity pool yet. Run: invoke up --stack {stack.name}"
        raise StackError(msg)
    return {"STACK": stack.name, **{name: str(found[output]) for name, output in OUTPUTS.items()}}


def commands(stack: Stack, named: Mapping[str, str]) -> list[str]:
    """Return the commands that set variables, and the one that asks for the passphrase of the stack's state."""
    repository = from_config(stack.config, stack.name).github_repository
    set_each = [
        f"gh variable set {name} --body {shlex.quote(value)} --repo {repository}" for name, value in named.items()
    ]
    return [*set_each, f"gh secret set {PASSPHRASE} --repo {repository}"]
