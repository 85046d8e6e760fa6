"""Batch prediction jobs for tests: instances whose predictions are known, jobs, and what came out of them."""

from typing import Any

import orjson

from tests.cloud import LocalCloud
from tests.vertex import MACHINE, PARENT, read_objects, until

FINISHED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


def instances(keys: range) -> bytes:
    """Return JSON Lines whose prediction is `6 * key`."""
    return b"".join(b'{"features": [%d.0, %d.0, %d.0], "key": %d}\n' % (key, key, key, key) for key in keys)


def job_body(model: str, uris: list[str], output: str, **fields: Any) -> dict[str, Any]:
    """Return the body of a job."""
    return {
        "displayName": "job",
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": uris}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": output}},
        "dedicatedResources": {**MACHINE, "startingReplicaCount": 2, "maxReplicaCount": 10},
        **fields,
    }


def create(locations: Any, body: dict[str, Any]) -> str:
    """Create a job; return its name."""
    return str(locations.batchPredictionJobs().create(parent=PARENT, body=body).execute()["name"])


def finished(locations: Any, name: str) -> dict[str, Any]:
    """Wait for a job's end; return it."""

    def get() -> Any:
        job = locations.batchPredictionJobs().get(name=name).execute()
        return job if job["state"] in FINISHED else None

    return dict(until(get))


def results(cloud: LocalCloud, job: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return a job's result lines and error records."""
    files = read_objects(cloud, job["outputInfo"]["gcsOutputDirectory"])
    lines: dict[str, list[Any]] = {"results": [], "errors_stats": []}
    for name, content in files.items():
        lines[name.removeprefix("prediction.").partition("-")[0]] += map(orjson.loads, content.splitlines())
    return lines["results"], lines["errors_stats"]


def keys_of(lines: list[Any]) -> list[int]:
    """Return the keys of result lines, sorted, having checked each prediction against its instance."""
    for line in lines:
        key = line["instance"]["key"]
        assert line == {"instance": {"features": [key * 1.0] * 3, "key": key}, "prediction": line["prediction"]}
        assert line["prediction"] == {"prediction": [key * 6.0], "key": key}
    return sorted(line["instance"]["key"] for line in lines)
