"""The program: the real `__main__.py`, run under Pulumi's mocks, declares what a stack should hold."""

import runpy
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from infra.settings import NAMESPACE, local_stack_config

ROOT = Path(__file__).parent.parent
GOOGLE = {"gcp:project": "my-project", "gcp:region": "europe-west4"}
ACCOUNTS = "my-project.iam.gserviceaccount.com"
MODEL = "projects/p/locations/r/models/m"
IMAGE = f"europe-west4-docker.pkg.dev/my-project/serving-dev/{NAMESPACE}@sha256:{'a' * 64}"
NUMBER = "123456789012"
MODELS = (
    '{"functional": {"artifactUri": "gs://b-b/models/functional/aaaaaaaa", "digest": "aaaaaaaa"},'
    ' "decorator": {"artifactUri": "gs://b-b/models/decorator/bbbbbbbb", "digest": "bbbbbbbb"}}'
)


EVERYTHING = {
    "notebook": "true",
    "notebookOwner": "anna@example.com",
    "endpoints": '["decorator"]',
    "models": MODELS,
    "servingImage": IMAGE,
    "labels": '{"team": "pricing"}',
    "kmsKey": "new",
    "privateNetwork": "true",
    "networkInternet": "true",
    "githubRepository": "me/it",
    "stateBackend": "gs://my-project-pulumi-state",
}


class Recorder(Mocks):
    """Takes every resource as created, with the outputs that others read."""

    def __init__(self) -> None:
        self.resources: dict[str, MockResourceArgs] = {}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer the one thing that the program looks up."""
        assert args.token == "gcp:storage/getProjectServiceAccount:getProjectServiceAccount"
        email = f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
        found = {"emailAddress": email, "member": f"serviceAccount:{email}", "id": email, "project": "my-project"}
        return found, []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Keep a resource."""
        assert args.name not in self.resources, "two resources of one name"
        self.resources[args.name] = args
        email = f"{args.inputs.get('accountId')}@{ACCOUNTS}"
        agent = f"service-{NUMBER}@gcp-sa-{str(args.inputs.get('service')).partition('.')[0]}.iam.gserviceaccount.com"
        pool = f"projects/{NUMBER}/locations/global/workloadIdentityPools/{args.inputs.get('workloadIdentityPoolId')}"
        made = {
            "gcp:projects/serviceIdentity:ServiceIdentity": {"email": agent, "member": f"serviceAccount:{agent}"},
            "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": {"name": pool},
            "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": {"name": f"{pool}/providers/github"},
            "gcp:serviceaccount/account:Account": {
                "email": email,
                "member": f"serviceAccount:{email}",
                "name": email,
                "uniqueId": "117",
            },
            "gcp:storage/bucket:Bucket": {"url": f"gs://{args.inputs.get('name')}"},
            "gcp:workbench/instance:Instance": {"proxyUri": "notebook.example"},
            "pulumi-python:dynamic/prediction:Model": {"name": "projects/p/locations/r/models/m"},
            "pulumi-python:dynamic/prediction:ModelVersion": {
                "name": "projects/p/locations/r/models/m@1",
                "version": "1",
            },
            "pulumi-python:dynamic/prediction:ClassicModel": {"name": "projects/p/models/m"},
            "pulumi-python:dynamic/prediction:ClassicVersion": {
                "name": "projects/p/models/m/versions/v1",
                "version": "v1",
            },
            "pulumi-python:dynamic/prediction:Deployment": {"deployed_model_id": "77"},
        }
        return f"{args.name}-id", {**args.inputs, **made.get(args.typ, {})}

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the inputs of all resources of a type."""
        return [args.inputs for args in self.resources.values() if args.typ.endswith(f":{kind}")]


def run_program(config: dict[str, Any], stack: str = "dev", preview: bool = False) -> tuple[Recorder, dict[str, Any]]:
    """Run `__main__.py` as an engine would, and return its resources and outputs."""
    return copy_context().run(_run_program, config, stack, preview)  # mocks and configuration end with the run


def _run_program(config: dict[str, Any], stack: str, preview: bool) -> tuple[Recorder, dict[str, Any]]:
    recorder = Recorder()
    outputs: dict[str, Any] = {}
    pulumi.runtime.set_mocks(recorder, project=NAMESPACE, stack=stack, preview=preview)
    set_all_config({key: value if isinstance(value, str) else str(value).lower() for key, value in config.items()})

    @pulumi.runtime.test  # type: ignore[untyped-decorator]  # the SDK leaves it without annotations
    def program() -> pulumi.Output[None]:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        stack = get_root_resource()
        assert isinstance(stack, Stack)
        return pulumi.Output.from_input(stack.outputs).apply(outputs.update)

    program()
    return recorder, outputs


@pytest.fixture(scope="module")
def full() -> tuple[Recorder, dict[str, Any]]:
    """A stack with everything on."""
    extra = {
        "servingImage": IMAGE,
        "notebook": "true",
        "endpoints": '["decorator"]',
        "models": MODELS,
        "labels": '{"team": "pricing"}',
    }
    return run_program({**GOOGLE, **{f"{NAMESPACE}:{key}": value for key, value in extra.items()}})


def test_a_preview_tells_the_costs_and_an_update_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs `pulumi preview` by itself sees them too."""
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", told.append)
    run_program(GOOGLE)
    assert told == []
    run_program(GOOGLE, preview=True)
    (line,) = told
    assert line.startswith("On Google Cloud about ")


def test_a_stack_without_models_is_the_environment_only() -> None:
    """Before the first upload there are APIs, bucket and account; no model, version or endpoint."""
    recorder, outputs = run_program(GOOGLE)
    assert sorted(recorder.resources) == [
        "aiplatform-api",
        "artifactregistry-api",
        "bucket",
        "build-account",
        "build-reads-bucket",
        "build-writes-logs",
        "build-writes-repository",
        "cloudbuild-api",
        "cloudresourcemanager-api",
        "iam-api",
        "prediction-account",
        "prediction-reads-bucket",
        "serving-repository",
        "storage-api",
    ]
    assert outputs["models"] == {}
    assert outputs["endpoints"] == {}
    assert outputs["notebook"] == {}


def test_the_bucket_is_private_versioned_and_cleans_itself(full: tuple[Recorder, dict[str, Any]]) -> None:
    """No public access, IAM only, predictions and old generations expire; Google's stacks keep a bucket with data."""
    (bucket,) = full[0].of("Bucket")
    assert bucket["publicAccessPrevention"] == "enforced"
    assert bucket["uniformBucketLevelAccess"] is True
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["forceDestroy"] is False
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 7 * 24 * 3600}
    rules = bucket["lifecycleRules"]
    assert {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefixes": ["predictions/"]}} in rules
    assert any(rule["condition"].get("daysSinceNoncurrentTime") for rule in rules)
    assert bucket["labels"] == {"team": "pricing", "app": NAMESPACE, "stack": "dev"}


def test_roles_are_the_least_and_bound_to_the_bucket_where_they_can_be(full: tuple[Recorder, dict[str, Any]]) -> None:
    """Nobody owns or edits the project; predictions only read, the notebook only uses."""
    grants = {
        name: (args.inputs["role"], args.inputs["member"])
        for name, args in full[0].resources.items()
        if args.typ.endswith("Member")
    }
    prediction, notebook, build = (
        f"serviceAccount:{who}-dev@{ACCOUNTS}" for who in ("prediction", "notebook", "build")
    )
    assert grants == {
        "prediction-reads-bucket": ("roles/storage.objectViewer", prediction),
        "notebook-uses-bucket": ("roles/storage.objectUser", notebook),
        "notebook-uses-vertex": ("roles/aiplatform.user", notebook),
        "notebook-acts-as-prediction": ("roles/iam.serviceAccountUser", notebook),
        "build-reads-bucket": ("roles/storage.objectViewer", build),
        "build-writes-repository": ("roles/artifactregistry.writer", build),
        "build-writes-logs": ("roles/logging.logWriter", build),
    }


def test_dataflow_is_allowed_where_the_stack_wants_it() -> None:
    """Workers of Dataflow run as the predictions' account, which then writes to the bucket; else it does not."""
    recorder, _ = run_program({**GOOGLE, f"{NAMESPACE}:dataflow": "true"})
    roles = {
        args.inputs["role"]
        for name, args in recorder.resources.items()
        if name.startswith("prediction-")
        if args.typ.endswith("Member")
    }
    assert roles == {"roles/storage.objectViewer", "roles/storage.objectUser", "roles/dataflow.worker"}
    assert recorder.resources["dataflow-api"].inputs["service"] == "dataflow.googleapis.com"


def test_the_notebook_has_no_public_address_and_its_own_account(full: tuple[Recorder, dict[str, Any]]) -> None:
    """It is shielded, off when idle, and never runs as the project's default account."""
    (notebook,) = full[0].of("Instance")
    setup = notebook["gceSetup"]
    assert setup["disablePublicIp"] is True
    assert setup["serviceAccounts"] == [{"email": "notebook-dev@my-project.iam.gserviceaccount.com"}]
    assert setup["metadata"] == {"idle-timeout-seconds": "10800"}
    assert all(setup["shieldedInstanceConfig"].values())


def test_apis_stay_enabled_when_the_stack_goes(full: tuple[Recorder, dict[str, Any]]) -> None:
    """Others in the project may use them."""
    services = full[0].of("Service")
    assert {service["service"].split(".")[0] for service in services} == {
        "aiplatform",
        "artifactregistry",
        "cloudbuild",
        "cloudresourcemanager",
        "compute",
        "iam",
        "notebooks",
        "storage",
    }
    assert not any(service["disableOnDestroy"] for service in services)


def test_every_uploaded_wrapper_has_a_model_and_a_version(full: tuple[Recorder, dict[str, Any]]) -> None:
    """The version is the one that the upload's digest names, in the container that serves it."""
    versions = {inputs["digest"]: inputs for inputs in full[0].of("ModelVersion")}
    assert set(versions) == {"aaaaaaaa", "bbbbbbbb"}
    assert versions["aaaaaaaa"]["artifact_uri"] == "gs://b-b/models/functional/aaaaaaaa"
    container = versions["aaaaaaaa"]["container_spec"]
    assert container["predictRoute"] == "/predict"
    assert container["ports"] == [{"containerPort": 8080}]
    assert container["imageUri"] == IMAGE
    assert container["startupProbe"]["httpGet"] == {"path": "/health", "port": 8080}
    assert {inputs["model_id"] for inputs in full[0].of("Model")} == {"housing-functional-dev", "housing-decorator-dev"}


def test_models_of_a_google_stack_wait_for_their_image() -> None:
    """Nothing is uploaded to a model whose container is not there; a local cloud serves without an image."""
    with pytest.raises(pulumi.RunError, match=r"servingImage is empty: .* Run: invoke image --stack dev"):
        run_program({**GOOGLE, f"{NAMESPACE}:models": MODELS})
    local = {**local_stack_config("http://127.0.0.1:1234"), f"{NAMESPACE}:models": MODELS}
    version, _ = run_program(local, "local")[0].of("ModelVersion")
    assert version["container_spec"]["imageUri"].endswith(f"/serving-local/{NAMESPACE}:latest")


@pytest.mark.parametrize(
    ("region", "host"),
    [("us-central1", "us"), ("europe-west4", "europe"), ("asia-east1", "asia"), ("me-west1", "europe")],
)
def test_the_prebuilt_image_is_that_of_the_regions_continent(region: str, host: str) -> None:
    """Its routes and probes are Google's own; the repository stays, for versions that were made with an image in it."""
    extra = {"gcp:region": region, f"{NAMESPACE}:servingImage": "prebuilt", f"{NAMESPACE}:models": MODELS}
    recorder, _ = run_program({**GOOGLE, **extra})
    image = f"{host}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    assert [version["container_spec"] for version in recorder.of("ModelVersion")] == [{"imageUri": image}] * 2
    assert len(recorder.of("Repository")) == 1


def test_a_stack_with_an_image_of_others_has_no_repository() -> None:
    """Whoever keeps the image builds it too: no account that could."""
    image = "europe-west4-docker.pkg.dev/central/images/server@sha256:" + "b" * 64
    recorder, outputs = run_program({**GOOGLE, f"{NAMESPACE}:servingImage": image, f"{NAMESPACE}:models": MODELS})
    assert recorder.of("Repository") == []
    assert outputs["registry"] == {}
    assert {version["container_spec"]["imageUri"] for version in recorder.of("ModelVersion")} == {image}


def test_a_version_names_its_model_whatever_a_preview_knows_of_it(full: tuple[Recorder, dict[str, Any]]) -> None:
    """The name comes of the settings: an update of the model leaves its version and deployment alone."""
    names = [version["model"].rpartition("/") for version in full[0].of("ModelVersion")]
    assert {place for place, _, _ in names} == {"projects/my-project/locations/europe-west4/models"}
    assert sorted(model for *_, model in names) == ["housing-decorator-dev", "housing-functional-dev"]


def test_a_wanted_endpoint_serves_the_wrappers_version(full: tuple[Recorder, dict[str, Any]]) -> None:
    """The deployment runs as the prediction account on the machine of the settings."""
    (endpoint,), (deployment,) = full[0].of("AiEndpoint"), full[0].of("Deployment")
    assert endpoint["name"].isdecimal()
    assert len(endpoint["name"]) == 9
    assert deployment["endpoint"] == "decorator-endpoint-id"
    assert deployment["model"].endswith("@1")
    assert deployment["service_account"].startswith("prediction-dev@")


def test_an_endpoint_without_an_upload_waits_for_it() -> None:
    """Nothing is deployed before there is a version."""
    recorder, outputs = run_program({**GOOGLE, f"{NAMESPACE}:endpoints": '["functional"]'})
    assert len(recorder.of("AiEndpoint")) == 1
    assert recorder.of("Deployment") == []
    assert outputs["endpoints"] == {"functional": {"name": "functional-endpoint-id"}}


def test_outputs_carry_all_that_tasks_need(full: tuple[Recorder, dict[str, Any]]) -> None:
    """Tasks know of the infrastructure what stands here, and nothing else."""
    outputs = full[1]
    assert outputs["bucket"] == "my-project-batch-prediction"
    assert outputs["bucketUrl"] == "gs://my-project-batch-prediction"
    assert outputs["predictionAccount"] == "prediction-dev@my-project.iam.gserviceaccount.com"
    assert outputs["notebook"] == {"name": "notebook-dev", "proxyUri": "notebook.example"}
    assert outputs["models"]["decorator"] == {
        "name": "projects/my-project/locations/europe-west4/models/housing-decorator-dev",
        "version": "1",
        "versionName": "projects/p/locations/r/models/m@1",
        "artifactUri": "gs://b-b/models/decorator/bbbbbbbb",
        "digest": "bbbbbbbb",
        "displayName": "housing-decorator-dev",
    }
    assert outputs["endpoints"] == {"decorator": {"name": "decorator-endpoint-id", "deployedModelId": "77"}}
    assert (outputs["project"], outputs["region"], outputs["machineType"]) == (
        "my-project",
        "europe-west4",
        "n1-standard-2",
    )


def test_the_local_stack_runs_the_same_program() -> None:
    """Nothing but the stack's file tells the local stack from one of Google's."""
    recorder, outputs = run_program(local_stack_config("http://127.0.0.1:1234"), "local")
    assert recorder.of("Bucket")[0]["forceDestroy"] is True
    assert len(recorder.of("Instance")) == 1
    assert outputs["apiEndpoint"] == "http://127.0.0.1:1234/aiplatform/"
    assert outputs["storageEndpoint"] == "http://127.0.0.1:1234"


def test_a_wrong_setting_ends_the_program_before_any_resource() -> None:
    """Pulumi prints the line of a RunError and no traceback."""
    with pytest.raises(pulumi.RunError, match="wanted: true or false"):
        run_program({**GOOGLE, f"{NAMESPACE}:notebook": "perhaps"})


def test_a_stack_on_ai_platform_has_its_models_and_no_endpoints() -> None:
    """There a version answers by itself: the program declares models and versions, and names the versions."""
    extra = {"platform": "ai-platform", "models": MODELS, "endpoints": '["decorator"]'}
    config = {**local_stack_config("http://127.0.0.1:8790"), **{f"{NAMESPACE}:{key}": extra[key] for key in extra}}
    recorder, outputs = run_program(config, "local")
    assert outputs["platform"] == "ai-platform"
    assert [model["model_id"] for model in recorder.of("ClassicModel")] == ["housing_price1", "housing_price2"]
    assert outputs["models"]["decorator"]["version"] == "v1"
    assert outputs["endpoints"] == {"decorator": {"name": "projects/p/models/m/versions/v1"}}
    vertex = ("AiEndpoint", "Deployment", "Model", "ModelVersion")
    assert [kind for kind in vertex if recorder.of(kind)] == []
    assert "ml-api" in recorder.resources
