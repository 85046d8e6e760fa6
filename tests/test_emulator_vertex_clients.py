"""Google's own Vertex AI clients at work on the local cloud: the SDK, and its clients of every service, over REST."""

import base64
import json
from typing import Any

import pytest
import requests
from google.api_core.exceptions import BadRequest, MethodNotImplemented, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform, aiplatform_v1, aiplatform_v1beta1, storage
from google.cloud.aiplatform_v1.types import endpoint as endpoint_types
from google.protobuf.field_mask_pb2 import FieldMask

from tests.cloud import LocalCloud
from tests.vertex import IMAGE, PARENT, ROWS, begin_sdk, make_bucket, put_model, put_object, until
from tests.vertex_jobs import instances

BUCKET = "vertex-clients"
MACHINE = {"machine_spec": {"machine_type": "n1-standard-2"}}

# The SDK warns of what its next versions drop, and of the Python that runs it
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def options(cloud: LocalCloud) -> dict[str, Any]:
    """Return what points a client at the local cloud: its address below the cloud's, and REST."""
    address = {"api_endpoint": f"{cloud.url}/aiplatform"}
    return {"client_options": address, "credentials": AnonymousCredentials(), "transport": "rest"}  # type: ignore[no-untyped-call]


@pytest.fixture
def sdk(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK `google.cloud.aiplatform`, at the local cloud."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", local_cloud.url)
    begin_sdk(local_cloud)
    return aiplatform


@pytest.fixture(scope="module")
def artifact(local_cloud: LocalCloud) -> str:
    """A SavedModel in the bucket."""
    return put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")


def test_the_sdk_from_upload_to_predictions(sdk: Any, local_cloud: LocalCloud, artifact: str) -> None:
    """Upload, versions and aliases, update, deploy, predict, batch_predict, iter_outputs, export, delete: unchanged."""
    common = {"display_name": "sdk", "artifact_uri": artifact, "serving_container_image_uri": IMAGE}
    model = sdk.Model.upload(**common, labels={"team": "a"})
    assert (model.version_id, list(model.version_aliases)) == ("1", ["default"])
    second = sdk.Model.upload(
        parent_model=model.resource_name, is_default_version=False, version_aliases=["next"], **common
    )
    model.versioning_registry.add_version_aliases(["prod"], "2")
    assert model.versioning_registry.get_version_info("prod").version_id == second.version_id == "2"
    model.update(display_name="sdk two", labels={"team": "b"})
    assert [found.display_name for found in sdk.Model.list(filter="labels.team=b")] == ["sdk two"]

    endpoint = sdk.Endpoint.create(display_name="sdk")
    model.deploy(endpoint=endpoint, machine_type="n1-standard-2", min_replica_count=1)
    answer = endpoint.predict(instances=ROWS["instances"])
    assert answer.predictions == [{"prediction": [12.0], "key": 7.0}, {"prediction": [3.0], "key": 8.0}]
    endpoint.undeploy_all()
    endpoint.delete()

    source = put_object(local_cloud, BUCKET, "sdk.jsonl", instances(range(30)))
    job = model.batch_predict(
        job_display_name="sdk",
        gcs_source=source,
        gcs_destination_prefix=f"gs://{BUCKET}/sdk",
        machine_type="n1-standard-2",
    )
    assert (job.state.name, job.completion_stats.successful_count) == ("JOB_STATE_SUCCEEDED", 30)
    shards = [blob.download_as_bytes() for blob in job.iter_outputs() if "results" in blob.name]
    keys = [json.loads(line)["prediction"]["key"] for shard in shards for line in shard.splitlines()]
    assert sorted(keys) == list(range(30))
    exported = model.export_model("custom-trained", artifact_destination=f"gs://{BUCKET}/exported")
    assert exported["artifactOutputUri"].startswith(f"gs://{BUCKET}/exported/model-export-sdk_two-")
    job.delete()
    model.versioning_registry.update_version("2", version_description="the second", labels={"v": "two"})
    described = model.versioning_registry.get_model("2")
    assert (described.version_description, described.labels["v"], described.resource_name) == (
        *("the second", "two"),
        model.resource_name,
    )
    model.versioning_registry.delete_version("2")
    model.delete()
    assert sdk.Model.list(filter='display_name="sdk two"') == []


@pytest.mark.parametrize("api", [aiplatform_v1, pytest.param(aiplatform_v1beta1, marks=pytest.mark.long)])
def test_model_service(local_cloud: LocalCloud, artifact: str, api: Any) -> None:
    """Both versions' clients upload, copy, evaluate, export and refuse; operations carry metadata of the right type."""
    models: Any = api.ModelServiceClient(**options(local_cloud))
    spec = {"display_name": "m", "artifact_uri": artifact, "container_spec": {"image_uri": IMAGE}}
    uploaded = models.upload_model(parent=PARENT, model=spec)
    model = uploaded.result().model
    assert isinstance(uploaded.metadata, api.UploadModelOperationMetadata)
    assert uploaded.metadata.generic_metadata.create_time is not None

    copied = models.copy_model({"parent": PARENT, "source_model": f"{model}@1", "parent_model": model})
    assert copied.result().model_version_id == "2"
    copy = models.get_model(name=f"{model}@2")
    assert (copy.original_model_info.model, copy.model_source_info.copy) == (f"{model}@1", True)
    assert models.get_model(name=model).version_id == "1"
    with pytest.raises(BadRequest, match="'Bad Id' is not valid"):
        models.copy_model({"parent": PARENT, "source_model": model, "model_id": "Bad Id"})
    other = models.copy_model({"parent": PARENT, "source_model": model}).result().model
    assert other != model

    evaluation = {"display_name": "e", "metrics_schema_uri": "gs://google-cloud-aiplatform/schema/x.yaml"}
    kept = models.import_model_evaluation(parent=model, model_evaluation=evaluation)
    assert models.get_model_evaluation(name=kept.name).display_name == "e"
    assert [found.name for found in models.list_model_evaluations(parent=model)] == [kept.name]
    assert list(models.list_model_evaluations(parent=f"{model}@2")) == []

    names = [
        found.name for found in models.list_models({"parent": PARENT, "filter": 'display_name="m"', "page_size": 1})
    ]
    assert {model, other} <= set(names)
    assert list(models.list_models({"parent": PARENT, "filter": 'baseModelName="text-bison"'})) == []
    masked = models.list_models({"parent": PARENT, "read_mask": FieldMask(paths=["name"])})
    assert {(found.display_name, found.version_id) for found in masked} == {("", "")}
    with pytest.raises(BadRequest, match="only version"):
        models.delete_model_version(name=f"{other}@1")
    with pytest.raises(BadRequest, match="custom-trained"):
        models.export_model(name=model, output_config={"export_format_id": "tflite"})
    with pytest.raises(MethodNotImplemented, match="updateExplanationDataset"):
        models.update_explanation_dataset(model=model)
    for name in (model, other):
        models.delete_model(name=name).result()
    with pytest.raises(NotFound):
        models.get_model_evaluation(name=kept.name)


def test_endpoint_and_prediction_services(local_cloud: LocalCloud, artifact: str) -> None:
    """Endpoints are updated in both ways; predictions are answered raw and as values; explanations are refused."""
    models: Any = aiplatform_v1.ModelServiceClient(**options(local_cloud))
    endpoints: Any = aiplatform_v1.EndpointServiceClient(**options(local_cloud))
    predictions: Any = aiplatform_v1.PredictionServiceClient(**options(local_cloud))
    spec = {"display_name": "p", "artifact_uri": artifact, "container_spec": {"image_uri": IMAGE}}
    model = models.upload_model(parent=PARENT, model=spec).result().model
    endpoint = endpoints.create_endpoint(parent=PARENT, endpoint={"display_name": "p"}).result().name
    deployed = {"model": model, "dedicated_resources": {**MACHINE, "min_replica_count": 1}}
    split = {"0": 100}
    deploying = endpoints.deploy_model(endpoint=endpoint, deployed_model=deployed, traffic_split=split)
    assert deploying.metadata.deployment_stage.name in {"STARTING_MODEL_SERVER", "SUCCESSFULLY_DEPLOYED"}
    made = deploying.result()
    assert deploying.metadata.deployment_stage.name == "SUCCESSFULLY_DEPLOYED"

    wrapped = {"httpBody": {"data": base64.b64encode(json.dumps(ROWS).encode()).decode()}}
    for verb, body in (("rawPredict", ROWS), ("rawPredict", wrapped), ("streamRawPredict", ROWS)):
        answered = requests.post(
            f"{local_cloud.url}/aiplatform/v1/{endpoint}:{verb}", data=json.dumps(body), timeout=60
        )
        assert [one["key"] for one in answered.json()["predictions"]] == [7, 8]
    answer = predictions.predict(endpoint=endpoint, instances=ROWS["instances"])
    assert (answer.deployed_model_id, answer.model_version_id) == (made.deployed_model.id, "1")
    with pytest.raises(BadRequest, match="does not support explanation"):
        predictions.explain(endpoint=endpoint, instances=ROWS["instances"])

    changed = endpoint_types.Endpoint(name=endpoint, description="text", labels={"a": "b"})
    mask = FieldMask(paths=["description", "labels"])
    assert endpoints.update_endpoint(endpoint=changed, update_mask=mask).description == "text"
    long = endpoints.update_endpoint_long_running(endpoint={"name": endpoint, "description": "more"})
    assert long.result().description == "more"
    assert isinstance(long.metadata, aiplatform_v1.UpdateEndpointOperationMetadata)
    endpoints.undeploy_model(endpoint=endpoint, deployed_model_id=made.deployed_model.id).result()
    endpoints.delete_endpoint(name=endpoint).result()
    models.delete_model(name=model).result()


def test_job_service_takes_an_instance_config(local_cloud: LocalCloud, artifact: str) -> None:
    """What the SDK's batch_predict has no argument for goes by the job client: instanceConfig."""
    jobs: Any = aiplatform_v1.JobServiceClient(**options(local_cloud))
    uri = put_object(local_cloud, BUCKET, "config.jsonl", b'{"features": [1, 2, 3], "key": 1, "id": "a"}\n')
    job = aiplatform_v1.BatchPredictionJob(
        display_name="config",
        unmanaged_container_model={"artifact_uri": artifact, "container_spec": {"image_uri": IMAGE}},
        input_config={"instances_format": "jsonl", "gcs_source": {"uris": [uri]}},
        instance_config={"key_field": "id"},
        output_config={
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": f"gs://{BUCKET}/config"},
        },
        dedicated_resources={**MACHINE, "starting_replica_count": 1},
    )
    name = jobs.create_batch_prediction_job(parent=PARENT, batch_prediction_job=job).name
    until(lambda: jobs.get_batch_prediction_job(name=name).end_time)
    found = jobs.get_batch_prediction_job(name=name)
    assert found.state == aiplatform_v1.JobState.JOB_STATE_SUCCEEDED, found.error
    bucket = storage.Client(
        "local-project",
        AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": local_cloud.url},
    ).bucket(BUCKET)
    prefix = found.output_info.gcs_output_directory.removeprefix(f"gs://{BUCKET}/")
    lines = b"".join(blob.download_as_bytes() for blob in bucket.list_blobs(prefix=f"{prefix}/prediction.results-"))
    assert json.loads(lines) == {"key": "a", "prediction": {"prediction": [12.0], "key": 1}}
