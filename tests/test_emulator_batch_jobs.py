"""Batch prediction jobs of the local Vertex AI: they run the SavedModel and account for every row."""

from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.cloud import LocalCloud
from tests.vertex import (
    IMAGE,
    PARENT,
    make_bucket,
    model_body,
    put_model,
    put_object,
    read_objects,
    upload_model,
)
from tests.vertex_jobs import create, finished, instances, job_body, keys_of, results

BUCKET = "batch-of-tests"


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud, locations: Any) -> str:
    """A model that predicts twice the sum of the features."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    return str(upload_model(locations, model_body(uri, displayName="sum of three"), modelId="batch-sum")["model"])


def test_job_predicts_every_row_once(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """Every instance of every matching object comes out once, in shards of the service's names and no fixed order."""
    names = ["in/a.jsonl", "in/b/c.jsonl", "in/.hidden", "in/[x]*?.jsonl", "in/a.jsonl/under", "in//twice", "in/../up"]
    for number, name in enumerate(names):
        put_object(local_cloud, BUCKET, name, instances(range(number * 100, number * 100 + 100)))
    put_object(local_cloud, BUCKET, "in/folder/", b"")
    uris = [f"gs://{BUCKET}/in/*", f"gs://{BUCKET}/in/a.jsonl"]
    body = job_body(
        model, uris, f"gs://{BUCKET}/out", labels={"team": "a"}, manualBatchTuningParameters={"batchSize": 7}
    )
    created = locations.batchPredictionJobs().create(parent=PARENT, body=body).execute()
    assert created["state"] == "JOB_STATE_PENDING"
    job = finished(locations, created["name"])
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    lines, errors = results(local_cloud, job)
    assert keys_of(lines) == list(range(700))
    assert [line["instance"]["key"] for line in lines] != list(range(700))
    assert errors == []
    assert job["completionStats"] == {"successfulCount": "700", "failedCount": "0", "incompleteCount": "0"}
    assert {key: job[key] for key in body} == body
    assert (job["modelVersionId"], job["resourcesConsumed"]["replicaHours"] > 0) == ("1", True)
    assert job["createTime"] <= job["startTime"] <= job["endTime"] <= job["updateTime"]
    assert not {"error", "partialFailures"} & set(job)
    directory = job["outputInfo"]["gcsOutputDirectory"]
    stamp = job["createTime"][:23].translate(str.maketrans("-:.", "___"))
    assert directory == f"gs://{BUCKET}/out/prediction-sum_of_three-{stamp}Z"
    shards = sorted(name for name in read_objects(local_cloud, directory) if name.startswith("prediction.results-"))
    assert shards == [f"prediction.results-{number:05}-of-{len(shards):05}" for number in range(len(shards))]
    folder = local_cloud.state / "jobs" / job["name"].rpartition("/")[2]
    assert not {"input", "output", "model"} & {path.name for path in folder.iterdir()}


def test_bad_lines_sink_nothing_else(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """A bad line becomes an error record with its object, line and reason; its neighbours are predicted."""
    bad = b'{"features": [1.0], "key": 7}\nnot json\n'
    uri = put_object(local_cloud, BUCKET, "bad.jsonl", instances(range(5)) + bad + instances(range(10, 15)))
    job = finished(locations, create(locations, job_body(model, [uri], f"gs://{BUCKET}/out")))
    lines, errors = results(local_cloud, job)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert keys_of(lines) == [*range(5), *range(10, 15)]
    assert sorted((error["key"] or -1, error["file"], error["line"]) for error in errors) == [(-1, uri, 7), (7, uri, 6)]
    assert job["completionStats"] == {"successfulCount": "10", "failedCount": "2", "incompleteCount": "0"}
    assert len(job["partialFailures"]) == 2
    assert any(f"{uri}:7" in failure["message"] for failure in job["partialFailures"])


def test_jobs_of_one_moment_never_share_a_directory(local_cloud: LocalCloud, locations: Any, model: str) -> None:
    """Of three jobs at once two run and one is queued, and each has its results to itself."""
    uri = put_object(local_cloud, BUCKET, "three.jsonl", instances(range(3)))
    names = [create(locations, job_body(model, [uri], f"gs://{BUCKET}/three")) for _ in range(3)]
    states = [locations.batchPredictionJobs().get(name=name).execute()["state"] for name in names]
    assert "JOB_STATE_QUEUED" in states
    jobs = [finished(locations, name) for name in names]
    assert len({job["outputInfo"]["gcsOutputDirectory"] for job in jobs}) == 3
    assert all(keys_of(results(local_cloud, job)[0]) == [0, 1, 2] for job in jobs)
    listed = locations.batchPredictionJobs().list(parent=PARENT, filter='state="JOB_STATE_SUCCEEDED"').execute()
    assert set(names) <= {job["name"] for job in listed["batchPredictionJobs"]}
    by_model = 'model_display_name="sum of three" AND display_name:"jo*" AND create_time>"2020-01-01T00:00:00Z"'
    page = locations.batchPredictionJobs().list(parent=PARENT, filter=by_model, pageSize=2).execute()
    assert len(page["batchPredictionJobs"]) == 2
    assert page["nextPageToken"]


@pytest.mark.parametrize("source", ["gone.jsonl", "nothing/*"])
def test_missing_input_fails_the_job(locations: Any, model: str, source: str) -> None:
    """A URI that names nothing fails the job with a line that names it."""
    uri = f"gs://{BUCKET}/{source}"
    job = finished(locations, create(locations, job_body(model, [uri], f"gs://{BUCKET}/out")))
    assert job["state"] == "JOB_STATE_FAILED"
    assert uri in job["error"]["message"]
    assert "outputInfo" not in job


def test_unreadable_model_fails_the_job(local_cloud: LocalCloud, locations: Any) -> None:
    """A model that cannot be loaded fails the job with the engine's reason and the model's own address."""
    artifact = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "broken")
    uri = put_object(local_cloud, BUCKET, "one.jsonl", instances(range(1)))
    broken = upload_model(locations, model_body(artifact))["model"]
    job = finished(locations, create(locations, job_body(broken, [uri], f"gs://{BUCKET}/out")))
    assert job["state"] == "JOB_STATE_FAILED"
    assert artifact in job["error"]["message"]
    assert str(local_cloud.state) not in job["error"]["message"]


def test_deleting_a_model_does_not_reach_its_jobs(local_cloud: LocalCloud, locations: Any) -> None:
    """A job runs on its own copy: model, artifact and input may go as soon as it is accepted and running."""
    artifact = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    uri = put_object(local_cloud, BUCKET, "copied.jsonl", instances(range(10)))
    name = upload_model(locations, model_body(artifact))["model"]
    job = create(locations, job_body(name, [uri], f"gs://{BUCKET}/out"))
    locations.models().delete(name=name).execute()
    assert finished(locations, job)["state"] == "JOB_STATE_SUCCEEDED"


@pytest.mark.parametrize(
    ("patterns", "keys"),
    [(["*.jsonl"], [0, 1]), (["**.jsonl", "e[1].txt"], [0, 1, 2, 3]), (["[!a].jsonl", "*/?.jsonl"], [1, 2])],
)
def test_inputs_are_named_by_wildcards(
    local_cloud: LocalCloud, locations: Any, model: str, patterns: list[str], keys: list[int]
) -> None:
    """As Google's page of wildcards has them; an object whose name looks like one is named by it all the same."""
    for key, name in enumerate(["a.jsonl", "b.jsonl", "c/d.jsonl", "e[1].txt"]):
        put_object(local_cloud, BUCKET, f"w/{name}", instances(range(key, key + 1)))
    uris = [f"gs://{BUCKET}/w/{pattern}" for pattern in patterns]
    job = finished(locations, create(locations, job_body(model, uris, f"gs://{BUCKET}/out")))
    assert keys_of(results(local_cloud, job)[0]) == keys


def test_unmanaged_container_model(local_cloud: LocalCloud, locations: Any) -> None:
    """A job may name the artifact itself instead of a model; its container is input only."""
    artifact = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    uri = put_object(local_cloud, BUCKET, "unmanaged.jsonl", instances(range(10)))
    unmanaged = {"artifactUri": artifact, "containerSpec": {"imageUri": IMAGE}}
    body = job_body("", [uri], f"gs://{BUCKET}/out", unmanagedContainerModel=unmanaged)
    del body["model"]
    job = finished(locations, create(locations, body))
    assert job["unmanagedContainerModel"] == {"artifactUri": artifact}
    assert keys_of(results(local_cloud, job)[0]) == list(range(10))


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"displayName": ""}, 400, "display_name"),
    ({"model": None}, 400, "Exactly one of model and unmanaged_container_model"),
    ({"model": f"{PARENT}/models/none"}, 404, "models/none"),
    ({"dedicatedResources": None}, 400, "DEDICATED_RESOURCES"),
    ({"inputConfig": {"instancesFormat": "jsonl"}}, 400, "source"),
    ({"inputConfig": {"instancesFormat": "xml", "gcsSource": {"uris": ["gs://b/a"]}}}, 400, "'xml'"),
    ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["/tmp/a"]}}}, 400, "'/tmp/a'"),
    ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b*/a"]}}}, 400, "no wildcards"),
    ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/[z-a]"]}}}, 400, "can not be read"),
    ({"generateExplanation": True}, 501, "generateExplanation"),
    ({"inputConfig": {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://a"}}}, 501, "BigQuery"),
    (
        {"inputConfig": {"instancesFormat": "bigquery", "gcsSource": {"uris": ["gs://a/b"]}}},
        400,
        "needs a bigquery_source",
    ),
    ({"explanationSpec": {"parameters": {}}}, 400, "only if generate_explanation"),
    ({"model": "summing"}, 400, "Invalid Model resource name"),
    ({"model": "publishers/google/models/gemini"}, 501, "a publisher's model"),
    ({"instanceConfig": {"includedFields": ["a"], "excludedFields": ["b"]}}, 400, "included_fields"),
    ({"instanceConfig": {"instanceType": "row"}}, 400, "instance_type"),
    ({"outputConfig": {"predictionsFormat": "csv"}}, 400, "'csv'"),
    (
        {
            "instanceConfig": {"keyField": "key"},
            "outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://p"}},
        },
        400,
        '"bigquery" output format does not support key_field.',
    ),
    ({"manualBatchTuningParameters": {"batchSize": -1}}, 400, "batch_size"),
]


@pytest.mark.parametrize(("changes", "status", "text"), WRONG)
def test_refusals(locations: Any, model: str, changes: dict[str, Any], status: int, text: str) -> None:
    """What the service refuses is refused, and what we cannot carry is said to be so before anything runs."""
    body = {**job_body(model, [f"gs://{BUCKET}/a"], f"gs://{BUCKET}/out"), **changes}
    with pytest.raises(HttpError) as caught:
        create(locations, {name: value for name, value in body.items() if value is not None})
    assert caught.value.status_code == status
    assert text in caught.value.reason
