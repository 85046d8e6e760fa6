"""One batch prediction job from its turn to its end: input linked, engine run, shards put in the bucket."""

import logging
import shutil
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson

from infra.emulator import fault_shards
from infra.emulator.batch_files import link_inputs, partial_failures, publish
from infra.emulator.batch_jobs import (
    CANCELLED,
    CANCELLING,
    FAILED,
    FINISHED,
    JOBS,
    RUNNING,
    SUCCEEDED,
    Run,
    change,
    get_job,
    get_run,
)
from infra.emulator.batch_lists import FILE_LIST, link_listed
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError
from infra.emulator.jobs import Batch, Process, kill, last_line, start_batch
from infra.emulator.resources import Json

logger = logging.getLogger("infra.emulator")

POLL_SECONDS = 0.1
CANCEL_SECONDS = 60.0  # for the blocks in flight
RESUME_ADVICE = ". Nothing is lost: run again with --resume"  # which no client of a job can do
UNUSABLE = 2  # the engine's exit code for a model or an input that cannot be used
CANCELLED_CODE, INVALID_ARGUMENT, FAILED_PRECONDITION, INTERNAL = 1, 3, 9, 13  # google.rpc.Code

NOTHING_KEPT = {"completionStats": {"successfulCount": "0", "failedCount": "0", "incompleteCount": "-1"}}

stopping = threading.Event()  # the cloud is about to end: jobs stay as they are, and go on at its next start


def run_job(cloud: Cloud, name: str) -> None:
    """Bring one job to its end; whatever goes wrong on the way stands in its error."""
    try:
        for fault, _ in cloud.faults.strike("slowStart", fault_shards.JOB):
            stopping.wait(fault.seconds)
        if not stopping.is_set() and _begin(cloud, name):
            _work(cloud, name)
    except ApiError as error:
        _end(cloud, name, FAILED, error={"code": INVALID_ARGUMENT, "message": error.message})
    except OSError as error:
        _end(cloud, name, FAILED, error={"code": INTERNAL, "message": f"The job could not be run: {error}"})
    except Exception as error:  # a job must not stay RUNNING for ever, whatever fails
        logger.exception("%s failed", name)
        text = f"{type(error).__name__} in the local cloud: {error}"
        _end(cloud, name, FAILED, error={"code": INTERNAL, "message": text})


def _begin(cloud: Cloud, name: str) -> bool:
    """Mark a job as running; tell whether there is something to do for it."""
    if cloud.resources.get(JOBS, name) is None:
        return False

    def edit(body: Json) -> Json:
        if body["state"] in FINISHED or body["state"] == CANCELLING:
            return body
        return {**body, "state": RUNNING, "startTime": body.get("startTime") or cloud.now()}

    return change(cloud, name, edit)["state"] not in FINISHED


def _work(cloud: Cloud, name: str) -> None:
    job, run = get_job(cloud.resources, name), get_run(cloud.resources, name)
    batch = _prepared(cloud, job, run)
    process = start_batch(batch)
    try:
        _follow(cloud, name, process, batch)
    finally:
        kill(process)
    if not stopping.is_set():
        _conclude(cloud, name, process.returncode, batch)


def _prepared(cloud: Cloud, job: Json, run: Run) -> Batch:
    """Link the input as the bucket has it now; a run that goes on after a restart keeps the input it began with."""
    folder = run.path(cloud)
    form = job["inputConfig"].get("instancesFormat", "jsonl")
    inputs, linked = folder / "input", folder / "linked"
    if not linked.exists():
        shutil.rmtree(inputs, ignore_errors=True)
        link_inputs(cloud, job["inputConfig"]["gcsSource"]["uris"], inputs)
        if form == FILE_LIST:
            link_listed(cloud, inputs, folder / "listed")
        linked.touch()
    size = (job.get("manualBatchTuningParameters") or {}).get("batchSize", 0)
    batch = Batch(folder, folder / "model", inputs, run.workers, run.shards, run.seed, size)
    batch = replace(batch, signature=run.signature, with_instance=run.with_instance)
    batch = replace(batch, instances_format=form)
    batch = replace(batch, instance=job.get("instanceConfig") or {}, parity=run.parity)
    return batch if not batch.output.exists() else batch.resumed()


def _follow(cloud: Cloud, name: str, process: Process, batch: Batch) -> None:
    """Wait for the engine; meanwhile keep the job's counts up to date and pass a cancellation on."""
    deadline = float("inf")
    while process.poll() is None and not stopping.is_set() and time.monotonic() < deadline:
        counts = _counts(_read_json(batch.progress), incomplete=-1)  # unknown before the whole input is read
        job = change(cloud, name, lambda body, counts=counts: {**body, **counts})  # type: ignore[misc]
        if job["state"] == CANCELLING and deadline == float("inf"):
            process.terminate()
            deadline = time.monotonic() + CANCEL_SECONDS
        time.sleep(POLL_SECONDS)


def _conclude(cloud: Cloud, name: str, code: int, batch: Batch) -> None:
    """End a job by its engine's exit code. A cancelled one keeps what it has written."""
    job, run = get_job(cloud.resources, name), get_run(cloud.resources, name)
    if code != 0 and job["state"] != CANCELLING:
        _end(cloud, name, FAILED, error=_engine_error(code, batch, run), **NOTHING_KEPT)
        return
    summary = _read_json(batch.folder / "stdout")
    fields = _counts(summary, incomplete=int(summary.get("not_attempted") or 0)) or dict(NOTHING_KEPT)
    fault_shards.strike(cloud.faults, batch.output)
    if publish(cloud, batch.output, run.directory, stats=bool(run.parity), tables=run.tables):
        fields["outputInfo"] = {"gcsOutputDirectory": run.directory}
    failures = partial_failures(batch.output)
    if failures:
        fields["partialFailures"] = failures
    if code == 0:
        _end(cloud, name, SUCCEEDED, **fields)
    else:
        _end(cloud, name, CANCELLED, error={"code": CANCELLED_CODE, "message": "The job was cancelled."}, **fields)


def _engine_error(code: int, batch: Batch, run: Run) -> Json:
    """Return what the engine said last, with the places as its user knows them."""
    said = last_line(batch.folder / "stderr") or f"The batch engine ended with exit code {code} and said nothing."
    for path, place in ((str(batch.saved_model), run.artifact_uri), (f"{batch.inputs}/", "gs://")):
        said = said.replace(path, place)
    said = said.removesuffix(RESUME_ADVICE)
    return {"code": FAILED_PRECONDITION if code == UNUSABLE else INTERNAL, "message": said}


def _counts(report: Json, *, incomplete: int) -> Json:
    """Return the engine's counts as a job's completion stats: 64-bit integers travel as text."""
    if "predicted" not in report:
        return {}
    counts = {"successfulCount": report["predicted"], "failedCount": report["failed"], "incompleteCount": incomplete}
    return {"completionStats": {name: str(count) for name, count in counts.items()}}


def _read_json(path: Path) -> Json:
    """Return the JSON object on a file's last line, or nothing."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    try:
        body = orjson.loads(lines[-1] if lines else b"")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _end(cloud: Cloud, name: str, state: str, **fields: object) -> None:
    """Bring a job into its last state and remove what only its run needed."""
    run, now = get_run(cloud.resources, name), cloud.now()

    def edit(body: Json) -> Json:
        hours = _hours(body.get("startTime", now), now) * run.replicas
        consumed = {"resourcesConsumed": {"replicaHours": round(hours, 6)}}
        return {**body, **fields, **consumed, "state": state, "endTime": now}

    change(cloud, name, edit)
    clean(cloud, run)


def _hours(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 3600


def cancel_job(cloud: Cloud, name: str) -> None:
    """Ask a job to stop: one that waits is cancelled at once, one that runs keeps what it has written."""

    def edit(body: Json) -> Json:
        if body["state"] in FINISHED:
            return body
        if body["state"] in {RUNNING, CANCELLING}:
            return {**body, "state": CANCELLING}
        error = {"code": CANCELLED_CODE, "message": "The job was cancelled before it started."}
        return {**body, "state": CANCELLED, "error": error, "endTime": cloud.now()}

    if change(cloud, name, edit)["state"] == CANCELLED:
        clean(cloud, get_run(cloud.resources, name))


def clean(cloud: Cloud, run: Run) -> None:
    """Remove a finished run's input, output and model; what the engine said stays for reading."""
    for part in ("input", "listed", "output", "model"):
        shutil.rmtree(run.path(cloud) / part, ignore_errors=True)
