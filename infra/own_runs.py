"""Predictions without the prediction service: the batch engine on this machine, or its pipeline on Apache Beam.

Both read the stack's uploaded model, write to the stack's bucket, and leave what a batch job leaves: shards there, and
a record under `build/jobs/` by which `invoke results` finds them.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.batch_runs import BatchRun, digest_of, model_version
from infra.dataflow import dataflow_flags
from infra.google_client import is_loopback
from infra.settings import LOCAL_TOKEN
from infra.stacks import StackError
from infra.storage import upload_file
from infra.storage_client import in_one_line, storage_client

VERTEX, BEAM, LOCAL = WHERE = ("vertex", "beam", "local")
PROGRAMS = {LOCAL: "model.batch_predict", BEAM: "model.beam_predict"}
WITH_BEAM = ("run", "-q", "--group", "beam")  # its environment has Apache Beam; the tasks' own has not


def plan_run(
    outputs: Mapping[str, Any], stack: str, wrapper: str, instances: str, targets: Path | None, on: str
) -> BatchRun:
    """Return the record of a run to come.

    Raises:
        StackError: the stack has no version of that wrapper.
    """
    version = model_version(outputs, stack, wrapper)
    run_id = f"{wrapper}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    remote = instances.startswith("gs://")
    file, digest = (instances, "") if remote else (str(Path(instances).resolve()), digest_of(Path(instances)))
    output = f"gs://{outputs['bucket']}/predictions/{run_id}"
    truth = str(targets.resolve()) if targets else ""
    return BatchRun(run_id, stack, wrapper, "", version["artifactUri"], file, digest, truth, output, on)


def predict(outputs: Mapping[str, Any], run: BatchRun, policy: str, flags: Sequence[str] = ()) -> dict[str, Any]:
    """Run a program to its end and return its summary; what it says on the way goes to this process's stderr.

    Raises:
        StackError: it did not end well; it has said why.
    """
    source = _shared_instances(outputs, run) if run.on == BEAM else run.instances
    told = ["--saved-model", run.model, "--input", source, "--output", run.output, "--json", *_runner(outputs, run)]
    command = [*_interpreter(run.on), "-m", PROGRAMS[run.on], *told, "--on-duplicate-key", policy, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=_environment(outputs), text=True, check=False)
    if done.returncode:
        again = f"Correct that, then go on: invoke predict --job {run.id} --stack {run.stack}"
        raise StackError(f"Run {run.id} ended with code {done.returncode}, for the reason above. {again}")
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def facts(run: BatchRun, summary: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return what a finished run came to, as a batch job's facts have it."""
    counted = {name: summary[name] for name in ("instances", "predicted", "failed")}
    told = {"job": run.id, "name": run.job, "wrapper": run.wrapper, "state": "JOB_STATE_SUCCEEDED"}
    return {**told, **counted, "output": run.output, "seconds": round(seconds, 3), "on": run.on}


def known_place(name: str) -> str:
    """Refuse a place that there is not.

    Raises:
        StackError: it is none of vertex, beam, local.
    """
    if name not in WHERE:
        raise StackError(f"No place {name!r}. Run with: --on {', or --on '.join(WHERE)}")
    return name


def _shared_instances(outputs: Mapping[str, Any], run: BatchRun) -> str:
    """Return the instances' address in the bucket, where workers elsewhere find them."""
    if run.instances.startswith("gs://"):
        return run.instances
    address = f"gs://{outputs['bucket']}/instances/{run.instances_sha256[:12]}/{Path(run.instances).name}"
    upload_file(outputs, Path(run.instances), address)
    return address


def _runner(outputs: Mapping[str, Any], run: BatchRun) -> list[str]:
    if run.on != BEAM or is_loopback(str(outputs["storageEndpoint"])):
        return []
    return dataflow_flags(outputs, run.id)


def _interpreter(on: str) -> list[str]:
    """Return the command of a Python that has what the program needs."""
    return [os.environ.get("UV", "uv"), *WITH_BEAM, "python"] if on == BEAM else [sys.executable]


def _environment(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return this process's environment, pointed at the local cloud where the stack is local."""
    found = {**os.environ, "GOOGLE_CLOUD_PROJECT": str(outputs["project"])}
    return found | storage_environment(str(outputs["storageEndpoint"]))


def storage_environment(endpoint: str) -> dict[str, str]:
    """Return the variables that lead Google's storage clients to a local cloud, none for any other endpoint."""
    if not endpoint or not is_loopback(endpoint):
        return {}
    return {"STORAGE_EMULATOR_HOST": endpoint, "GOOGLE_OAUTH_ACCESS_TOKEN": LOCAL_TOKEN, "NO_GCE_CHECK": "true"}


def with_instances_here(outputs: Mapping[str, Any], run: BatchRun, folder: Path) -> BatchRun:
    """Return the run with its instances on this machine: an object of a bucket is fetched, to be joined.

    Raises:
        StorageError: it cannot be.
    """
    if not run.instances.startswith("gs://"):
        return run
    bucket, _, name = run.instances.removeprefix("gs://").partition("/")
    file = folder / Path(name).name
    folder.mkdir(parents=True, exist_ok=True)
    with in_one_line(outputs, run.instances):
        storage_client(outputs).bucket(bucket).blob(name).download_to_filename(str(file))
    return replace(run, instances=str(file), instances_sha256=digest_of(file))
