"""aiplatform batchPredictionJobs: create, get, list, cancel, delete."""

import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

from infra.emulator import batch_queue, operations
from infra.emulator.batch_jobs import (
    FINISHED,
    JOBS,
    OUTPUTS,
    PENDING,
    RUNS,
    Run,
    get_job,
    get_run,
    insert_job,
    job_number,
    parity_wanted,
)
from infra.emulator.batch_requests import check_request
from infra.emulator.batch_runs import cancel_job
from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition
from infra.emulator.kms_access import require_vertex_key
from infra.emulator.model_artifacts import artifacts_folder, copy_artifact, link_tree, remove_artifact
from infra.emulator.model_versions import find_version, get_model
from infra.emulator.projects import full_name
from infra.emulator.resources import Json
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_places import check_location
from infra.emulator.vertex_rules import numeric_id

MOST_WORKERS = 64  # processes on this machine, of any number of replicas
LISTING = Listing(
    "batchPredictionJobs",
    filters={
        "displayName": lambda body: body.get("displayName"),
        "state": lambda body: body.get("state"),
        "createTime": lambda body: body.get("createTime"),
    },
)


@handles("aiplatform.projects.locations.batchPredictionJobs.create")
def create(call: Call) -> Json:
    """Accept a job and start it when its turn comes; it runs on copies of the model and of its input."""
    check_location(call)
    check_request(call)
    require_vertex_key(call, call.body)
    number = numeric_id(call)
    folder = call.cloud.state / "jobs" / number
    now = call.cloud.now()
    body = {**_kept(call), "name": f"{call.path['parent']}/batchPredictionJobs/{number}", "state": PENDING}
    body |= {"createTime": now, "updateTime": now}
    try:
        title, artifact_uri = _take_model(call, body, folder / "model")
        insert_job(call.cloud, body, _run(call, body, title, artifact_uri))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    batch_queue.submit(call.cloud, body["name"])
    return body


def _kept(call: Call) -> Json:
    """Return what is sent with the model's name as paths have it, and without what is input only: a container."""
    sent = dict(call.body)
    if sent.get("model"):
        sent["model"] = full_name(call.cloud, sent["model"])
    if sent.get("unmanagedContainerModel"):
        unmanaged = sent["unmanagedContainerModel"].items()
        sent["unmanagedContainerModel"] = {name: value for name, value in unmanaged if name != "containerSpec"}
    return sent


def _take_model(call: Call, body: Json, target: Path) -> tuple[str, str]:
    """Copy the job's model to its folder, note its version in the job, and return its display name and artifactUri."""
    unmanaged = body.get("unmanagedContainerModel")
    if unmanaged:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_artifact(call.cloud, unmanaged["artifactUri"]).rename(target)
        return "unmanaged", unmanaged["artifactUri"]
    with call.resources.transaction():  # the copy must not race with a deletion of the version
        version = find_version(call.resources, body["model"])
        if not version.artifact:
            msg = f"Model {version.name} has no artifactUri: the local cloud runs SavedModels, no container images."
            raise failed_precondition(msg)
        link_tree(artifacts_folder(call.cloud) / version.artifact, target)
        body["modelVersionId"] = version.id
        return get_model(call.resources, version.model)["displayName"], version.body["artifactUri"]


def _directory(call: Call, body: Json, title: str) -> str:
    """Return a new output directory: `PREFIX/prediction-MODEL-TIME`, never given out before."""
    prefix = body["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", title)
    time = re.sub(r"[-:.]", "_", body["createTime"])
    seconds, milliseconds = time[:19], int(time[20:23])
    while True:
        directory = f"{prefix}/prediction-{name}-{seconds}_{milliseconds:03}Z"
        if call.resources.insert(OUTPUTS, directory, {"job": body["name"]}):
            return directory
        milliseconds += 1


def _run(call: Call, body: Json, title: str, artifact_uri: str) -> Run:
    """Decide how the job runs: one worker per replica, whatever maxReplicaCount says; shards and order by its seed."""
    number = body["name"].rpartition("/")[2]
    replicas = int(body["dedicatedResources"].get("startingReplicaCount") or 1)
    workers = min(replicas, MOST_WORKERS)
    chance = random.Random(f"{call.cloud.seed}/{job_number(call.resources)}")  # noqa: S311 - no secret: order of rows
    shards = chance.randint(workers, 2 * workers + 2)
    directory = _directory(call, body, title)
    run = Run(number, title, artifact_uri, directory, replicas, workers, shards, chance.randrange(2**31))
    return replace(run, parity="vertex-ai" if parity_wanted(call.cloud, body) else "")


@handles("aiplatform.projects.locations.batchPredictionJobs.get")
def get(call: Call) -> Json:
    """Return a job as it stands."""
    return get_job(call.resources, call.path["name"])


@handles("aiplatform.projects.locations.batchPredictionJobs.list")
def list_jobs(call: Call) -> Json:
    """List the jobs of a location."""
    by_model = {"modelDisplayName": lambda body: get_run(call.resources, body["name"]).model_title}
    listing = replace(LISTING, filters={**LISTING.filters, **by_model})
    return list_page(call, listing, [body for _, body in call.resources.list(JOBS, f"{call.path['parent']}/")])


@handles("aiplatform.projects.locations.batchPredictionJobs.cancel")
def cancel(call: Call) -> Json:
    """Ask a job to stop: one that waits is cancelled at once, one that runs keeps what it has written."""
    cancel_job(call.cloud, call.path["name"])
    return {}


@handles("aiplatform.projects.locations.batchPredictionJobs.delete")
def delete(call: Call) -> Json:
    """Delete a finished job; its results stay in the bucket."""
    name = call.path["name"]
    with call.resources.transaction():
        job = get_job(call.resources, name)
        if job["state"] not in FINISHED:
            msg = f"The BatchPredictionJob is {job['state']} and can not be deleted before it has finished: {name}"
            raise failed_precondition(msg)
        folder = get_run(call.resources, name).path(call.cloud)
        call.resources.delete(JOBS, name)
        call.resources.delete(RUNS, name)
    remove_artifact(folder)
    return operations.finished(call, "DeleteOperationMetadata")
