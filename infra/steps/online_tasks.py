"""The task that asks an endpoint, as the tutorial does."""

import json as jsonlib

from invoke import Context

from infra import batch_runs, deployment
from infra.reporting import answer
from infra.stacks import read_stack
from infra.steps.instances import instances_file
from infra.steps.places import step
from infra.task_options import JSON, STACK, WRAPPER, Facts, known_wrapper


@step("Nothing was changed", **WRAPPER, **STACK, **JSON)
def predict_online(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """The tutorial's request: its first two instances, to the wrapper's endpoint, by googleapiclient."""
    from infra.platforms import predict_online  # noqa: PLC0415 - Google's client loads slowly

    found = deployment.outputs(read_stack(stack))
    endpoint = batch_runs.endpoint(found, stack, known_wrapper(wrapper))
    rows = [jsonlib.loads(line) for line in instances_file("seed", wrapper)[0].read_text().splitlines()[:2]]
    facts = predict_online(found, endpoint, rows)
    served = f"{facts['modelDisplayName']}, version {facts['modelVersionId']}:"
    answer(json, facts, served, *(f"  {jsonlib.dumps(prediction)}" for prediction in facts["predictions"]))
    return facts
