"""Predictions without the prediction service: by the batch engine, here or on Apache Beam, from and to its places."""

import shlex
import time

from infra import batch_runs, own_runs
from infra.reporting import say
from infra.steps.instances import instances_file, known_policy
from infra.steps.places import JOBS
from infra.task_options import Facts


def predict_here(
    found: Facts,
    instances: str,
    wrapper: str,
    stack: str,
    on: str,
    on_duplicate_key: str,
    beam_options: str,
) -> Facts:
    """Run the program of `on` on what `--instances` names, and remember the run, so that results find it."""
    began = time.monotonic()
    targets = None
    if not instances.startswith("gs://"):
        file, targets = instances_file(instances, wrapper, on_duplicate_key)
        instances = str(file)
    run = own_runs.plan_run(found, stack, wrapper, instances, targets, on)
    say(f"run {run.id}: {run.instances} -> {run.model}, on {on}")
    summary = own_runs.predict(found, run, known_policy(on_duplicate_key), shlex.split(beam_options))
    batch_runs.remember(run, JOBS)
    return own_runs.facts(run, summary, time.monotonic() - began)
