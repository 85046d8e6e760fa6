"""ml projects.jobs: create, get, list, patch, cancel. A job is run as Vertex AI's are, and shown as AI Platform's."""

import os
import random
import shutil
from pathlib import Path

from infra.emulator import batch_queue, generic
from infra.emulator.batch_jobs import PENDING, Run, get_job, insert_job, job_number, parity_wanted
from infra.emulator.batch_runs import cancel_job
from infra.emulator.calls import Call, handles
from infra.emulator.classic_job_rules import FORMATS, check_job, job_version
from infra.emulator.classic_records import (
    LARGEST_PAGE,
    PAGE,
    check_etag,
    check_labels,
    field_error,
    masked_paths,
    new_etag,
)
from infra.emulator.classic_version_rules import uri_error
from infra.emulator.errors import ApiError, not_found
from infra.emulator.model_artifacts import artifacts_folder, copy_artifact, link_tree
from infra.emulator.resources import Json, Resources
from infra.emulator.vertex_rules import apply_mask, numeric_id

KIND = "ml.jobs"
DEFAULT_WORKERS = 10
FIELDS = ("jobId", "predictionInput", "labels")


@handles("ml.projects.jobs.create")
def create(call: Call) -> Json:
    """Accept a batch prediction and start it when its turn comes; it runs on copies of the model and of its input."""
    check_job(call.cloud, call.body)
    name = f"{call.path['parent']}/jobs/{call.body['jobId']}"
    _check_free(call.resources, name)
    body = {field: call.body[field] for field in FIELDS if field in call.body}
    given = body["predictionInput"] = dict(body["predictionInput"])
    body |= {"createTime": call.cloud.now(), "etag": new_etag()}
    folder = call.cloud.state / "jobs" / numeric_id(call)
    try:
        artifact_uri = _take_model(call, given, folder / "model")
        with call.resources.transaction():
            _check_free(call.resources, name)
            call.resources.put(KIND, name, body)
            insert_job(call.cloud, _work(name, body), _run(call, given, folder.name, artifact_uri))
            view = _view(call.resources, name, body)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    batch_queue.submit(call.cloud, name)
    return view


def _check_free(resources: Resources, name: str) -> None:
    if resources.get(KIND, name) is not None:
        raise field_error("job.job_id", "A job with this id already exists.", 409)


def _take_model(call: Call, given: Json, target: Path) -> str:
    """Copy the job's model to its folder and return where it came from."""
    if given.get("uri"):
        try:
            copied = copy_artifact(call.cloud, given["uri"])
        except ApiError as error:
            raise uri_error(error, "prediction_input.uri") from None
        target.parent.mkdir(parents=True, exist_ok=True)
        copied.rename(target)
        return str(given["uri"])
    with call.resources.transaction():  # the copy must not race with a deletion of the version
        version = job_version(call.resources, given)
        link_tree(artifacts_folder(call.cloud) / version.artifact, target)
    given.setdefault("runtimeVersion", version.body["runtimeVersion"])
    return str(version.body["deploymentUri"])


def _work(name: str, body: Json) -> Json:
    """Return the job as the runs of Vertex AI know it."""
    given, now = body["predictionInput"], body["createTime"]
    uris = list(dict.fromkeys(given["inputPaths"]))
    work = {"name": name, "state": PENDING, "createTime": now, "updateTime": now}
    work["inputConfig"] = {"instancesFormat": FORMATS[given["dataFormat"]], "gcsSource": {"uris": uris}}
    if given.get("batchSize"):
        work["manualBatchTuningParameters"] = {"batchSize": int(given["batchSize"])}
    return work


def _run(call: Call, given: Json, folder: str, artifact_uri: str) -> Run:
    """Decide how the job runs: results go to its output path itself, without a folder for the job."""
    replicas = int(given.get("maxWorkerCount", DEFAULT_WORKERS))
    workers = min(replicas, os.cpu_count() or 1)
    chance = random.Random(f"{call.cloud.seed}/{job_number(call.resources)}")  # noqa: S311 - no secret: order of rows
    return Run(
        folder=folder,
        model_title=call.body["jobId"],
        artifact_uri=artifact_uri,
        directory=given["outputPath"].rstrip("/"),
        replicas=workers,  # what Dataflow would have scaled to is not known
        workers=workers,
        shards=chance.randint(workers, 2 * workers + 2),
        seed=chance.randrange(2**31),
        signature=given.get("signatureName", ""),
        with_instance=False,
        parity="ai-platform" if parity_wanted(call.cloud, call.body) else "",
        tables=given.get("outputDataFormat") == "CSV",
    )


def _view(resources: Resources, name: str, body: Json) -> Json:
    """Return a job as clients see it: what was asked, and how far its run is."""
    work = get_job(resources, name)
    times: Json = {field: work[field] for field in ("startTime", "endTime") if field in work}
    error = {"errorMessage": work["error"]["message"]} if "error" in work else {}
    output = {"predictionOutput": _output(body, work)}
    return {**body, **times, **error, "state": _state(work), **output}


def _state(work: Json) -> str:
    state = str(work["state"]).removeprefix("JOB_STATE_")
    if state == "RUNNING" and "completionStats" not in work:  # no row is counted before the model is loaded
        return "PREPARING"
    return "QUEUED" if state == "PENDING" else state


def _output(body: Json, work: Json) -> Json:
    """Return the counts; as everywhere in this API, 64-bit numbers are text and zeros are left out."""
    stats = work.get("completionStats") or {}
    counts = {"predictionCount": stats.get("successfulCount"), "errorCount": stats.get("failedCount")}
    hours = (work.get("resourcesConsumed") or {}).get("replicaHours")
    output: Json = {"outputPath": body["predictionInput"]["outputPath"]}
    output |= {field: count for field, count in counts.items() if count not in (None, "0")}
    return output | ({"nodeHours": hours} if hours else {})


def _named(call: Call) -> Json:
    name = call.path["name"]
    body = call.resources.get(KIND, name)
    if body is None:
        text = f'The job resource: "{name.rpartition("/")[2]}" was not found.'
        raise not_found(f"Field: name Error: {text}")
    return body


@handles("ml.projects.jobs.get")
def get(call: Call) -> Json:
    """Return a job as it stands."""
    return _view(call.resources, call.path["name"], _named(call))


@handles("ml.projects.jobs.list")
def list_jobs(call: Call) -> Json:
    """List a project's jobs, the newest first."""
    records = call.resources.list(KIND, f"{call.path['parent']}/jobs/")
    views = [_view(call.resources, name, body) for name, body in reversed(records)]
    found = generic.filtered(views, call.parameter("filter"), "jobId", "state", "createTime")
    return generic.page(call, found, "jobs", default=PAGE, largest=LARGEST_PAGE)


@handles("ml.projects.jobs.patch")
def patch(call: Call) -> Json:
    """Change a job's labels."""
    paths = masked_paths(call.parameter("updateMask"), ())
    with call.resources.transaction():
        body = _named(call)
        check_etag(call.body, body)
        changed = {**apply_mask(body, call.body, paths), "etag": new_etag()}
        check_labels(changed, "job")
        call.resources.put(KIND, call.path["name"], changed)
        return _view(call.resources, call.path["name"], changed)


@handles("ml.projects.jobs.cancel")
def cancel(call: Call) -> Json:
    """Ask a job to stop; one that is over stays as it is."""
    _named(call)
    cancel_job(call.cloud, call.path["name"])
    return {}
