"""AI Platform's batch prediction jobs as verbs; a job is told in the terms of Vertex AI's, which the tasks speak."""

import re
from collections.abc import Mapping
from typing import Any

from infra.batch_jobs import JOB_LIMIT, BatchJob, finished
from infra.google_client import Connection, Json, PredictionApiError, client, execute
from infra.operations import Progress, follow

STATES = {"PREPARING": "PENDING"}  # that Vertex AI does not tell apart


def create_job(connection: Connection, job: BatchJob) -> Json:
    """Start a batch prediction on a version; its results come to the output path itself."""
    project, job_id = f"projects/{connection.project}", re.sub(r"[^0-9a-zA-Z]+", "_", job.display_name)
    given = {
        "versionName": job.model,
        "dataFormat": "JSON",
        "inputPaths": list(job.instances),
        "outputPath": job.output,
        "region": connection.region,
        "batchSize": str(job.batch_size),
        "maxWorkerCount": str(job.replicas),
    }
    body = {"jobId": job_id, "predictionInput": given, "labels": dict(job.labels)}
    request = client(connection).projects().jobs().create(parent=project, body=body)
    return {**execute(connection, request, f"batch prediction job {job_id!r}"), "name": f"{project}/jobs/{job_id}"}


def get_job(connection: Connection, name: str) -> Json:
    """Return a job as it stands."""
    return told(execute(connection, client(connection).projects().jobs().get(name=name), name))


def told(job: Mapping[str, Any]) -> Json:
    """Return a job in the terms of Vertex AI: state, counts, error, where its results are."""
    output = job.get("predictionOutput") or {}
    counts = {"successfulCount": output.get("predictionCount", "0"), "failedCount": output.get("errorCount", "0")}
    error = {"error": {"message": job["errorMessage"]}} if job.get("errorMessage") else {}
    return {
        **error,
        "state": f"JOB_STATE_{STATES.get(job['state'], job['state'])}",
        "completionStats": counts,
        "outputInfo": {"gcsOutputDirectory": output.get("outputPath", "")},
    }


def wait_job(connection: Connection, name: str, progress: Progress | None = None) -> Json:
    """Follow a job to its end, whatever that is; `progress` gets it at each look.

    Raises:
        PredictionApiError: it has not ended within a day.
    """
    done = follow(lambda: get_job(connection, name), finished, get_job(connection, name), JOB_LIMIT, progress)
    if done is None:
        msg = f"{name} has not ended after {JOB_LIMIT:.0f} s; it goes on. Run: invoke predict --job JOB"
        raise PredictionApiError(msg)
    return done
