"""The tasks that hold predictions against what is known: instances before a job, and one way beside another."""

import json as jsonlib
import os
from dataclasses import asdict
from functools import partial
from typing import Any

from invoke import Context, Exit

from infra import batch_runs, deployment, own_runs
from infra.reporting import answer, fraction_bar, job_counter
from infra.stacks import read_stack
from infra.steps.instances import instances_file, known_policy, sample_files
from infra.steps.places import JOBS, METRICS, MODEL, RESULTS, SAVED_MODELS, step
from infra.steps.uploads import uploaded_model
from infra.task_options import JSON, STACK, WRAPPER, Facts, decimal, known_wrapper

# TensorFlow, polars and Google's clients load in seconds: they are imported where they are used.
# ruff: noqa: PLC0415


@step(
    "Nothing was changed",
    instances="seed, test (default), or a file, folder or pattern in any format that jobs take, here or on gs://",
    saved_model="of this one, here or on gs:// (default: build/saved_model/WRAPPER); uploaded: the stack's setting's",
    signature="the function of the SavedModel (default: serving_default)",
    instances_format="jsonl, csv, tf-record, tf-record-gzip or file-list (default: as the files' names tell)",
    key_field="the field that a job with keyField takes as the key, and does not send (default: all are sent)",
    on_duplicate_key="error (default), or keep: such rows cannot be matched to their predictions",
    **WRAPPER,
    **STACK,
    **JSON,
)
def validate(
    _: Context,
    instances: str = "test",
    saved_model: str = "",
    wrapper: str = "decorator",
    signature: str = "serving_default",
    instances_format: str = "",
    key_field: str = "",
    on_duplicate_key: str = "error",
    stack: str = "local",
    json: bool = False,
) -> Facts:
    """Instances -> what a job would say of each, before one is paid for; exits 1 where any would fail."""
    from model.batch_predict.validation import describe, passes, settings_of, validate

    policy = known_policy(on_duplicate_key)
    if "gs://" in {instances[:5], saved_model[:5]}:
        os.environ.update(own_runs.storage_environment(read_stack(stack).local_url))
    remote = instances.startswith("gs://")
    file = instances if remote else str(sample_files(instances, known_wrapper(wrapper))[0])
    folder = saved_model or str(SAVED_MODELS / known_wrapper(wrapper))
    if saved_model == "uploaded":
        folder = str(uploaded_model(stack, wrapper))
    with fraction_bar("validate") as bar:
        watch = partial(validation_progress, bar)
        facts = validate(settings_of(folder, file, signature, instances_format, key_field), watch)
    answer(json, facts, *describe(facts, policy))
    if not passes(facts, policy):
        raise Exit(f"{file} would not be predicted whole", 1)
    return facts


@step(
    "Nothing was changed. Run again: invoke verify",
    instances="seed (the tutorial's ten rows), test (102 rows, default), or a JSON Lines file",
    tolerance="how far a value may be off (default: 0.0001)",
    job="compare this job's predictions, in place of a new one's",
    **WRAPPER,
    **STACK,
    **JSON,
)
def verify(
    _: Context,
    instances: str = "test",
    tolerance: str = "0.0001",
    job: str = "",
    wrapper: str = "decorator",
    stack: str = "local",
    json: bool = False,
) -> Facts:
    """Bare model, batch job and endpoint on the same instances: the largest difference; exits 1 beyond tolerance."""
    from infra.online_predictions import predict_many
    from model import verification
    from model.evaluation import rmse_of
    from model.results import find_shards

    limit = decimal("--tolerance", tolerance, 0.0001)
    found = deployment.outputs(read_stack(stack))
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    endpoint = batch_runs.endpoint(found, stack, wrapper)
    rmse_of(version["digest"], known_wrapper(wrapper), MODEL, METRICS, SAVED_MODELS)  # it is this machine's model
    run = batch_runs.recall(JOBS, stack, job, wrapper) if job else None
    file = batch_runs.unchanged_instances(run) if run else instances_file(instances, known_wrapper(wrapper))[0]
    if run is None:
        run = batch_runs.submit(found, stack, wrapper, file, None)
        batch_runs.remember(run, JOBS)
    if run.on == own_runs.VERTEX:
        with job_counter(run.id) as shown:
            batch_runs.follow(found, run, shown)
    shards = RESULTS / run.id / "shards"
    batch_runs.download(found, run, shards)
    rows = [jsonlib.loads(line) for line in file.read_text().splitlines() if line.strip()]
    ways = {
        "bare model": verification.bare_values(MODEL, file),
        "batch": verification.batch_values(find_shards(shards)[0]),
        "online": verification.online_values(rows, predict_many(found, endpoint, rows)),
    }
    pairs = verification.compare(ways, limit)
    within = all(pair.within for pair in pairs)
    facts = {"stack": stack, "wrapper": wrapper, "job": run.id, "instances": len(rows), "tolerance": limit}
    facts |= {
        "within": within,
        "largest": max(pair.largest for pair in pairs),
        "pairs": [asdict(pair) for pair in pairs],
    }
    answer(json, facts, *(verification.describe(pair, limit) for pair in pairs))
    if not within:
        raise Exit(f"Predictions of {wrapper} differ by more than {limit:g}", 1)
    return facts


def validation_progress(bar: Any, done: int, total: int, instances: int, failed: int) -> None:
    """Show how far a validation is."""
    bar(done / max(total, 1), f"{instances:,} instances, {failed:,} would fail")
