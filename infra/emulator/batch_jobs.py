"""Batch prediction jobs as they are stored: what clients see of one, and where its run lies on disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.emulator.calls import Cloud
from infra.emulator.errors import not_found
from infra.emulator.resources import Json, Resources

JOBS = "aiplatform.batchPredictionJobs"
RUNS = "aiplatform.batchRuns"
OUTPUTS = "aiplatform.batchOutputs"  # output directories given out: two jobs of one millisecond must not share one

PARITY_LABEL = "local-cloud-parity"

PENDING, QUEUED, RUNNING = "JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING"
CANCELLING, CANCELLED = "JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED"
SUCCEEDED, FAILED = "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"
FINISHED = frozenset({SUCCEEDED, FAILED, CANCELLED})


@dataclass(frozen=True)
class Run:
    """How a job is run: its folder's name, where its results go, what its seed decides."""

    folder: str
    model_title: str
    artifact_uri: str
    directory: str
    replicas: int  # what is paid for
    workers: int
    shards: int
    seed: int
    signature: str = ""
    with_instance: bool = True
    parity: str = ""  # the service whose failures of whole batches are copied
    tables: bool = False  # results are AI Platform's CSV

    def path(self, cloud: Cloud) -> Path:
        """Return the run's folder."""
        return cloud.state / "jobs" / self.folder


def parity_wanted(cloud: Cloud, body: Json) -> bool:
    """Tell whether a job is to fail whole batches, as the services do: its label says so, or the cloud's option."""
    wanted = (body.get("labels") or {}).get(PARITY_LABEL)
    return cloud.parity if wanted is None else wanted == "true"


def job_number(resources: Resources) -> int:
    """Count the jobs of this cloud: with its seed, the same jobs in the same order have the same shards."""
    return resources.next_number("batch jobs")


def insert_job(cloud: Cloud, body: Json, run: Run) -> None:
    """Store a new job with its run."""
    with cloud.resources.transaction():
        cloud.resources.put(JOBS, body["name"], body)
        cloud.resources.put(RUNS, body["name"], asdict(run))


def get_job(resources: Resources, name: str) -> Json:
    """Return a job. Raises 404."""
    body = resources.get(JOBS, name)
    if body is None:
        raise not_found(f"The BatchPredictionJob does not exist: {name}")
    return body


def get_run(resources: Resources, name: str) -> Run:
    """Return how a job is run."""
    return Run(**(resources.get(RUNS, name) or {}))


def change(cloud: Cloud, name: str, edit: Callable[[Json], Json]) -> Json:
    """Apply an edit to a job in one transaction, note the time where it changed something, and return the job."""
    with cloud.resources.transaction():
        body = get_job(cloud.resources, name)
        edited = edit(body)
        if edited != body:
            edited = {**edited, "updateTime": cloud.now()}
            cloud.resources.put(JOBS, name, edited)
        return edited
