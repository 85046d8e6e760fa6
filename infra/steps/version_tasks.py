"""The tasks that say which version is in production: promote, and the way back."""

from dataclasses import asdict

from invoke import Context

from infra import batch_runs, deployment
from infra.platforms import need_aliases
from infra.reporting import answer, hint
from infra.settings import from_config
from infra.stacks import read_stack, write_setting
from infra.steps.places import METRICS, MODEL, SAVED_MODELS, step
from infra.task_options import JSON, STACK, WRAPPER, Facts, known_wrapper

# TensorFlow, polars and Google's clients load in seconds: they are imported where they are used.
# ruff: noqa: PLC0415


@step("Run again: invoke promote", **WRAPPER, **STACK, **JSON)
def promote(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """Give the stack's version the alias `production`, if its model's error is within the stack's limit."""
    from infra import promotion
    from infra.prediction import connect
    from model.evaluation import rmse_of

    target = read_stack(stack)
    found = deployment.outputs(target)
    need_aliases(found, stack, "promote")
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    rmse = rmse_of(version["digest"], known_wrapper(wrapper), MODEL, METRICS, SAVED_MODELS)
    promotion.check_gate(rmse, from_config(target.config, stack).max_rmse, stack)
    moved = promotion.promote(connect(found), version["versionName"])
    facts = {"stack": stack, "wrapper": wrapper, **asdict(moved), "test_rmse": rmse}
    was = f"; version {moved.before} is 'previous'" if moved.before not in {"", moved.version} else ""
    answer(json, facts, f"{version['displayName']}: version {moved.version} is 'production' (RMSE {rmse:.2f}){was}")
    hint(f"Next: invoke predict --alias production --wrapper {wrapper}")
    return facts


@step("Run again: invoke rollback", **WRAPPER, **STACK, **JSON)
def rollback(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """Give the alias `production` back to the version before, and make it the stack's for the next `up`."""
    from infra import promotion
    from infra.prediction import connect

    target = read_stack(stack)
    found = deployment.outputs(target)
    need_aliases(found, stack, "rollback")
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    moved = promotion.rollback(connect(found), version["name"])
    write_setting(target, "models", {**target.setting("models", {}), wrapper: dict(promotion.uploaded(moved))})
    facts = {"stack": stack, "wrapper": wrapper, **asdict(moved)}
    answer(json, facts, f"{version['displayName']}: version {moved.version} is 'production' again")
    hint(f"Next, for endpoint and default version too: invoke up --stack {stack}")
    return facts
