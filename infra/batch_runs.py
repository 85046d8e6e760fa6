"""Instances on this machine -> a batch prediction job -> its shards on this machine, with a record of each run."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.locations import check_places
from infra.operations import Progress
from infra.platforms import create_job, get_job, is_classic, need_aliases, wait_job
from infra.prediction import BatchJob, Json, connect
from infra.promotion import version_with
from infra.stacks import StackError
from infra.storage import bucket_resource, download_prefix, exists, upload_file

ENDED_BADLY = {"JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"}
MANIFEST = "manifest.json"  # what a run without the service writes last
LISTED = 5  # how many known jobs a mistake names
SUCCEEDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"}


@dataclass(frozen=True)
class BatchRun:
    """One job with the instances it was given; kept under `build/jobs/`, so that results find both."""

    id: str  # the job's display name, and the folder of its results
    stack: str
    wrapper: str
    job: str  # resource name
    model: str  # the version's full name
    instances: str  # the file on this machine
    instances_sha256: str
    targets: str  # the file of true values, or ""
    output: str  # gs:// prefix below which the service makes a folder
    on: str = "vertex"  # or beam, or local: without the service, whose names `job` and `model` then are not


def submit(  # where, what and whose, each by itself
    outputs: Mapping[str, Any], stack: str, wrapper: str, instances: Path, targets: Path | None, alias: str = ""
) -> BatchRun:
    """Upload the instances and start a job on the stack's current version of a wrapper, or on the one of an alias.

    Raises:
        StackError: the stack has no version of that wrapper, or none with the alias, or it is in another region.
    """
    current = model_version(outputs, stack, wrapper)
    if alias:
        need_aliases(outputs, stack, "--alias")
    version = version_with(connect(outputs), current["name"], alias) if alias else current["versionName"]
    if not is_classic(outputs):
        check_places(bucket_resource(outputs, outputs["bucket"]), version, outputs["region"], stack)
    digest = digest_of(instances)
    run_id = f"{wrapper}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    bucket = outputs["bucket"]
    source = f"gs://{bucket}/instances/{digest[:12]}/{instances.name}"
    upload_file(outputs, instances, source)
    job = BatchJob(
        display_name=run_id,
        model=version,
        instances=[source],
        output=f"gs://{bucket}/predictions/{run_id}",
        machine_type=outputs["machineType"],
        service_account=outputs.get("predictionAccount", ""),
        kms_key=outputs.get("kmsKey", ""),
        labels={"wrapper": wrapper},
    )
    name = create_job(outputs, job)
    truth = str(targets.resolve()) if targets else ""
    return BatchRun(run_id, stack, wrapper, name, version, str(instances.resolve()), digest, truth, job.output)


def model_version(outputs: Mapping[str, Any], stack: str, wrapper: str) -> Json:
    """Return a wrapper's entry in the stack's outputs.

    Raises:
        StackError: it has none.
    """
    version: Json | None = (outputs.get("models") or {}).get(wrapper)
    if version is None:
        msg = (
            f"Stack {stack!r} has no model version for {wrapper!r}. Run: invoke upload --stack {stack}, then: invoke up"
        )
        raise StackError(msg)
    return version


def follow(outputs: Mapping[str, Any], run: BatchRun, progress: Progress | None = None) -> Json:
    """Follow a run's job to its end and return it; `progress` gets it at each look.

    Raises:
        StackError: it ended in another way than well; the line carries the service's reason.
    """
    job = wait_job(outputs, run.job, progress)
    if job["state"] not in SUCCEEDED:
        raise _ended(run, job)
    return job


def _ended(run: BatchRun, job: Json) -> StackError:
    reason = " ".join(str((job.get("error") or {}).get("message", "no reason given")).split()).rstrip(".")
    remedy = f"Correct that, then run: invoke predict --wrapper {run.wrapper}"
    return StackError(f"Job {run.id} {_state(job)}, it has no results: {reason}. {remedy}")


def download(outputs: Mapping[str, Any], run: BatchRun, folder: Path) -> str:
    """Download the shards of a finished job into `folder`; return the gs:// folder they come from.

    Raises:
        StackError: the job has not ended well: it has no results.
    """
    if run.on != "vertex":
        if not exists(outputs, f"{run.output}/{MANIFEST}"):
            msg = f"Run {run.id} was broken off: it has no results yet"
            raise StackError(f"{msg}. Go on with it: invoke predict --job {run.id} --stack {run.stack}")
        download_prefix(outputs, f"{run.output}/", folder)
        return f"{run.output}/"
    job = get_job(outputs, run.job)
    if job["state"] in ENDED_BADLY:
        raise _ended(run, job)
    if job["state"] not in SUCCEEDED:
        msg = f"Job {run.id} is {_state(job)}: it has no results yet. Run: invoke predict --job {run.id}"
        raise StackError(msg)
    source: str = job["outputInfo"]["gcsOutputDirectory"].rstrip("/") + "/"
    download_prefix(outputs, source, folder)
    return source


def unchanged_instances(run: BatchRun) -> Path:
    """Return the run's instances file.

    Raises:
        StackError: it is gone, or no longer what the job was given.
    """
    path = Path(run.instances)
    if not path.is_file() or digest_of(path) != run.instances_sha256:
        state = "has changed since" if path.is_file() else "is gone"
        msg = f"{run.instances!r} {state}; job {run.id} was given sha256 {run.instances_sha256[:12]}. Restore the file"
        raise StackError(msg)
    return path


def endpoint(outputs: Mapping[str, Any], stack: str, wrapper: str) -> str:
    """Return the name of a wrapper's endpoint.

    Raises:
        StackError: there is none, or nothing is deployed to it.
    """
    found = (outputs.get("endpoints") or {}).get(wrapper) or {}
    if not found.get("name" if is_classic(outputs) else "deployedModelId"):
        msg = f"Stack {stack!r} serves no {wrapper} model. Run: invoke deploy --wrapper {wrapper} --stack {stack}"
        raise StackError(msg)
    name: str = found["name"]
    return name


def facts(run: BatchRun, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return what a finished run came to; a job that says nothing of its rows counts none."""
    predicted, failed = counts(job)
    return {
        "job": run.id,
        "name": run.job,
        "wrapper": run.wrapper,
        "state": job["state"],
        "instances": predicted + failed,
        "predicted": predicted,
        "failed": failed,
        "output": (job.get("outputInfo") or {}).get("gcsOutputDirectory", run.output),
        "seconds": round(seconds, 3),
    }


def _state(job: Mapping[str, Any]) -> str:
    return str(job["state"]).removeprefix("JOB_STATE_").lower()


def counts(job: Mapping[str, Any]) -> tuple[int, int]:
    """Return a job's predicted and failed instances so far."""
    stats = job.get("completionStats") or {}
    return int(stats.get("successfulCount", 0)), int(stats.get("failedCount", 0))


def remember(run: BatchRun, folder: Path) -> None:
    """Keep the run's record, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{run.id}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(run), indent=2) + "\n")
    temporary.replace(folder / f"{run.id}.json")


def recall(folder: Path, stack: str, run_id: str = "", wrapper: str = "") -> BatchRun:
    """Return a run by id, or the stack's latest (of a wrapper).

    Raises:
        StackError: there is none.
    """
    runs = [_record(path) for path in sorted(folder.glob("*.json"), key=_modified)]
    fitting = [run for run in runs if run.stack == stack and run_id in {"", run.id} and wrapper in {"", run.wrapper}]
    other = next((run for run in runs if run.stack == stack and run_id == run.id), None)
    if not fitting and other:
        raise StackError(f"Job {run_id} is one of wrapper {other.wrapper!r}. Run with: --wrapper {other.wrapper}")
    if not fitting:
        wanted = f"job {run_id!r}" if run_id else f"{wrapper or 'batch'} prediction job"
        own = [run.id for run in runs if run.stack == stack]
        known = ", ".join([*["…"] * (len(own) > LISTED), *own[-LISTED:]]) or "none"
        msg = f"No {wanted} is known for stack {stack!r} (known: {known}). Run: invoke predict --stack {stack}"
        raise StackError(msg)
    return fitting[-1]


def _record(path: Path) -> BatchRun:
    try:
        return BatchRun(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        msg = f"{str(path)!r} is no record of a job: {error}. Run: rm {path}"
        raise StackError(msg) from None


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
