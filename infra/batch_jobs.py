"""Vertex AI's batch prediction jobs as verbs: a job from JSON Lines in the bucket to shards in the bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.google_client import Connection, Json, PredictionApiError, client, execute
from infra.operations import Progress, follow, wait_operation

JOB_LIMIT = 24 * 3600.0  # seconds
PAGE = 100
FINISHED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
}


@dataclass(frozen=True)
class BatchJob:
    """What a batch prediction job is asked for: a model version, instances, a place for the results, machines."""

    display_name: str
    model: str  # a version's full name, @ and its number included: an alias may move while the job runs
    instances: Sequence[str]  # gs:// addresses of JSON Lines
    output: str  # gs:// prefix; the service makes a folder below it
    machine_type: str
    replicas: int = 1  # there is no autoscaling in batch: this many machines start
    batch_size: int = 64
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""  # encrypts what the job stores itself; the bucket has its own

    def body(self) -> Json:
        """Return the request's body; no `instanceConfig.keyField`: it would hide the key from a keyed model."""
        account = {"serviceAccount": self.service_account} if self.service_account else {}
        machine = {"machineType": self.machine_type}
        sealed = {"encryptionSpec": {"kmsKeyName": self.kms_key}} if self.kms_key else {}
        return {
            "displayName": self.display_name,
            "model": self.model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": list(self.instances)}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": self.output}},
            "dedicatedResources": {
                "machineSpec": machine,
                "startingReplicaCount": self.replicas,
                "maxReplicaCount": self.replicas,
            },
            "manualBatchTuningParameters": {"batchSize": self.batch_size},
            "labels": dict(self.labels),
            **account,
            **sealed,
        }


def create_batch_job(connection: Connection, job: BatchJob) -> Json:
    """Start a job; never sent twice by itself, for a second one would be paid for."""
    request = _jobs(connection).create(parent=connection.parent, body=job.body())
    return execute(connection, request, f"batch prediction job {job.display_name!r}")


def get_batch_job(connection: Connection, name: str) -> Json:
    """Return a job as it stands."""
    return execute(connection, _jobs(connection).get(name=name), name)


def list_batch_jobs(connection: Connection, query: str = "") -> list[Json]:
    """Return the jobs of the stack's region, filtered by a query such as `displayName="nightly"`."""
    return list(_list(connection, {"filter": query} if query else {}))


def cancel_batch_job(connection: Connection, name: str) -> None:
    """Ask a job to stop; what it has written stays."""
    execute(connection, _jobs(connection).cancel(name=name), name)


def delete_batch_job(connection: Connection, name: str) -> None:
    """Delete a finished job's record; its results stay."""
    wait_operation(connection, execute(connection, _jobs(connection).delete(name=name), name), name)


def wait_batch_job(
    connection: Connection, name: str, progress: Progress | None = None, limit: float = JOB_LIMIT
) -> Json:
    """Follow a job to its end, whatever that is (see its `state`); `progress` gets it at each look.

    Raises:
        PredictionApiError: it has not ended within `limit` seconds (it goes on at Google then).
    """
    look = get_batch_job(connection, name)
    done = follow(lambda: get_batch_job(connection, name), finished, look, limit, progress)
    if done is None:
        msg = f"{name} has not ended after {limit:.0f} s; it goes on. Run: gcloud ai batch-prediction-jobs describe"
        raise PredictionApiError(msg)
    return done


def finished(job: Mapping[str, Any]) -> bool:
    """Say whether a job has ended, well or not."""
    return job.get("state") in FINISHED


def _jobs(connection: Connection) -> Any:
    return client(connection).projects().locations().batchPredictionJobs()


def _list(connection: Connection, query: Mapping[str, str]) -> Iterator[Json]:
    jobs = _jobs(connection)
    request = jobs.list(parent=connection.parent, pageSize=PAGE, **query)
    while request is not None:
        answer = execute(connection, request, "batch prediction jobs")
        yield from answer.get("batchPredictionJobs", [])
        request = jobs.list_next(request, answer)
