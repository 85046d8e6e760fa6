"""Predictions without the prediction service: by the batch engine, here or on Apache Beam, from and to its places."""

import shlex
import time

from infra import batch_runs, own_runs
from infra.batch_runs import BatchRun
from infra.errors import InfraError
from infra.reporting import say
from infra.steps.instances import known_policy, sample_files
from infra.steps.places import JOBS
from infra.task_options import Facts


def run_to_come(found: Facts, instances: str, wrapper: str, stack: str, on: str, on_duplicate_key: str) -> BatchRun:
    """Return a run of the program of `on` on what `--instances` names, remembered: results find it, and who goes on.

    The program itself looks at every line, and at the keys, in less time and memory than a look before it takes.
    """
    known_policy(on_duplicate_key)
    targets = None
    if not instances.startswith("gs://"):
        file, targets = sample_files(instances, wrapper)
        if not file.is_file():
            raise InfraError(f"No instances at '{file}'. Run: invoke predict --instances seed")
        instances = str(file)
    run = own_runs.plan_run(found, stack, wrapper, instances, targets, on)
    batch_runs.remember(run, JOBS)
    return run


def predict_here(found: Facts, run: BatchRun, on_duplicate_key: str, beam_options: str, *, go_on: bool) -> Facts:
    """Run a run's program to its end; `go_on`: from where an earlier start of it was broken off."""
    began = time.monotonic()
    say(f"run {run.id}: {run.instances} -> {run.model}, on {run.on}")
    if go_on and run.instances_sha256:
        batch_runs.unchanged_instances(run)
    flags = [*shlex.split(beam_options), *["--resume"] * go_on]
    summary = own_runs.predict(found, run, known_policy(on_duplicate_key), flags)
    return own_runs.facts(run, summary, time.monotonic() - began)
