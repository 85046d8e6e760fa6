"""The task `image`: the container that serves the models on Google Cloud."""

import re

from invoke import Context

from infra import deployment
from infra.errors import InfraError
from infra.reporting import answer, hint, say, state_line
from infra.stacks import read_stack
from infra.task_options import JSON, STACK, Facts, step

LOCATION = "where Cloud Build works: global (default), or a region, where new projects may have no quota"


@step("The build goes on. Run the same command again to follow it", location=LOCATION, **STACK, **JSON)
def image(_: Context, stack: str = "local", location: str = "global", json: bool = False) -> Facts:
    """The model server's modules -> a container image in Artifact Registry, and the stack setting that names it."""
    from infra.images import build_image  # noqa: PLC0415  # Google's clients load in seconds

    if not re.fullmatch(r"global|[a-z]+-[a-z]+\d+", location):
        raise InfraError(f"--location is {location!r}; wanted: global, or a region. Run with: --location global")
    target = read_stack(stack)
    with state_line("image") as shown:
        built = build_image(target, deployment.outputs(target), location, say, shown)
    facts = {
        "stack": stack,
        "image": built.pinned,
        "tagged": built.image,
        "build": built.build,
        "executed": bool(built.digest),
        "changed": built.changed,
    }
    if not built.digest:
        answer(json, facts, f"{built.image}: not built. {built.detail}")
        return facts
    setting = f"Setting 'servingImage' {'written to' if built.changed else 'unchanged in'} {target.path.name}"
    answer(json, facts, f"{built.pinned}: {'built and pushed' if built.build else built.detail}", setting)
    hint(f"Next: invoke up --stack {stack}, which makes new versions of the models in it")
    return facts
