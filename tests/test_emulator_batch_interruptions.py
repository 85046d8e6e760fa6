"""Batch prediction jobs that are cancelled, killed or stopped in the middle: no row is lost, none comes twice."""

from pathlib import Path
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.cloud import LocalCloud, start_cloud
from tests.vertex import (
    client,
    make_bucket,
    model_body,
    put_model,
    put_object,
    until,
    upload_model,
)
from tests.vertex_jobs import create, finished, instances, job_body, keys_of, results

BUCKET = "interruptions-of-tests"


@pytest.fixture(scope="module")
def slow(local_cloud: LocalCloud, locations: Any) -> str:
    """A model that takes its time for every batch."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "slow")
    return str(upload_model(locations, model_body(uri, displayName="slow"))["model"])


def test_cancel_keeps_what_is_written(local_cloud: LocalCloud, locations: Any, slow: str) -> None:
    """A cancelled job ends as CANCELLED, keeps whole rows of what it has done, and can be deleted then."""
    jobs = locations.batchPredictionJobs()
    uri = put_object(local_cloud, BUCKET, "slow.jsonl", instances(range(20000)))
    tuning = {"manualBatchTuningParameters": {"batchSize": 20}}
    name = create(locations, job_body(slow, [uri], f"gs://{BUCKET}/cancelled", **tuning))
    until(lambda: jobs.get(name=name).execute()["state"] == "JOB_STATE_RUNNING")
    with pytest.raises(HttpError, match="can not be deleted"):
        jobs.delete(name=name).execute()
    until(lambda: "completionStats" in jobs.get(name=name).execute())
    assert jobs.cancel(name=name, body={}).execute() == {}
    job = finished(locations, name)
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_CANCELLED", 1)
    done = int(job["completionStats"]["successfulCount"])
    assert done + int(job["completionStats"]["incompleteCount"]) == 20000
    assert 0 <= done < 20000
    kept = keys_of(results(local_cloud, job)[0]) if "outputInfo" in job else []
    assert len(kept) == len(set(kept)) == done
    assert jobs.delete(name=name).execute()["done"]
    with pytest.raises(HttpError, match="does not exist"):
        jobs.get(name=name).execute()


def test_cancel_of_a_waiting_job(local_cloud: LocalCloud, locations: Any, slow: str) -> None:
    """A job that waits for its turn is cancelled at once."""
    jobs = locations.batchPredictionJobs()
    uri = put_object(local_cloud, BUCKET, "slow.jsonl", instances(range(20000)))
    body = job_body(slow, [uri], f"gs://{BUCKET}/cancelled", manualBatchTuningParameters={"batchSize": 20})
    names = [create(locations, body) for _ in range(3)]
    jobs.cancel(name=names[2], body={}).execute()
    assert jobs.get(name=names[2]).execute()["state"] == "JOB_STATE_CANCELLED"
    for name in names[:2]:
        jobs.cancel(name=name, body={}).execute()
    assert {finished(locations, name)["state"] for name in names} == {"JOB_STATE_CANCELLED"}


@pytest.mark.long
def test_jobs_survive_a_kill(tmp_path: Path) -> None:
    """Kill -9 in the middle of two jobs: nothing predicts on, the next start finishes both, no row lost or twice."""
    cloud = start_cloud(tmp_path / "cloud")
    make_bucket(cloud, BUCKET)
    uri = put_object(cloud, BUCKET, "rows.jsonl", instances(range(4000)))
    with client(cloud) as locations:
        model = upload_model(locations, model_body(put_model(cloud, BUCKET, "slow")))["model"]
        body = job_body(model, [uri], f"gs://{BUCKET}/out", manualBatchTuningParameters={"batchSize": 20})
        names = [create(locations, body) for _ in range(3)]
        jobs = locations.batchPredictionJobs()
        until(lambda: "completionStats" in jobs.get(name=names[0]).execute())
    cloud.kill()
    until(lambda: not engines(cloud.state), 10)
    for end in (LocalCloud.kill, LocalCloud.stop):
        end(start_cloud(tmp_path / "cloud"))
        until(lambda: not engines(cloud.state), 10)
    cloud = start_cloud(tmp_path / "cloud")
    try:
        with client(cloud) as locations:
            ended = [finished(locations, name) for name in names]
        assert {job["state"] for job in ended} == {"JOB_STATE_SUCCEEDED"}, ended
        for job in ended:
            assert keys_of(results(cloud, job)[0]) == list(range(4000))
            assert job["completionStats"] == {"successfulCount": "4000", "failedCount": "0", "incompleteCount": "0"}
    finally:
        cloud.stop()
    assert not engines(cloud.state)


def engines(state: Path) -> list[str]:
    """Return the processes that work below a state's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in command and "model." in command:
            found.append(command)
    return found
