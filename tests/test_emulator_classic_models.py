"""AI Platform's models and versions on the local cloud: names, defaults, operations, delete rules, refusals."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.classic import PROJECT, RUNTIME, client, make_model, make_version, waited
from tests.cloud import LocalCloud
from tests.vertex import ROWS, make_bucket, put_model, put_object, refused

BUCKET = "classic-models"


@pytest.fixture(scope="module")
def projects(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of ml v1."""
    with client(local_cloud) as methods:
        yield methods


@pytest.fixture(scope="module")
def uri(local_cloud: LocalCloud) -> str:
    """A SavedModel in the bucket."""
    return put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")


def test_an_empty_list_is_an_empty_object(local_cloud: LocalCloud) -> None:
    """A project without models answers `{}`."""
    with client(local_cloud) as projects:
        assert projects.models().list(parent="projects/nothing-here").execute() == {}
        assert projects.jobs().list(parent="projects/nothing-here").execute() == {}


def test_models_are_made_listed_and_changed(projects: Any) -> None:
    """A model is there at once; its region has a default; masks change only what they may; stale etags are refused."""
    created = projects.models().create(parent=PROJECT, body={"name": "plain", "labels": {"team": "a"}}).execute()
    assert created["name"] == f"{PROJECT}/models/plain"
    assert created["regions"] == ["us-central1"]
    assert projects.models().get(name=created["name"]).execute() == created
    listed = projects.models().list(parent=PROJECT, filter="labels.team=a", pageSize=1).execute()
    assert [model["name"] for model in listed["models"]] == [created["name"]]
    patch = projects.models().patch
    done = patch(name=created["name"], updateMask="description", body={"description": "new"}).execute()
    assert done["metadata"]["operationType"] == "UPDATE_MODEL"
    assert done["metadata"]["projectNumber"] == "123456789012"
    assert done["response"]["@type"] == "type.googleapis.com/google.cloud.ml.v1.Model"
    assert done["response"]["description"] == "new"
    assert refused(patch(name=created["name"], updateMask="regions", body={}))[0] == 400
    assert refused(patch(name=created["name"], body={}))[0] == 400
    stale = {"description": "x", "etag": created["etag"]}
    assert refused(patch(name=created["name"], updateMask="description", body=stale))[0] == 409


def test_a_model_has_one_name_and_one_region(projects: Any) -> None:
    """A second model of the name is refused in the service's words, as are wrong names and two regions."""
    make_model(projects, "twice")
    create = projects.models().create
    again = create(parent=PROJECT, body={"name": "twice"})
    assert refused(again) == (409, "Field: model.name Error: A model with the same name already exists.")
    assert "start with a letter" in refused(create(parent=PROJECT, body={"name": "1-wrong"}))[1]
    assert refused(create(parent=PROJECT, body={"name": "far", "regions": ["us-central1", "us-east1"]}))[0] == 400
    assert "'mars' is not supported" in refused(create(parent=PROJECT, body={"name": "far", "regions": ["mars"]}))[1]


def test_a_refusal_names_its_field_in_a_detail(local_cloud: LocalCloud) -> None:
    """Besides the text a BadRequest detail names the field, as tools that print it expect."""
    answer = requests.get(f"{local_cloud.url}/ml/v1/{PROJECT}/models/missing", timeout=30).json()["error"]
    text = (
        'The model resource: "missing" was not found. Please create the model resource first by using '
        "'gcloud ai-platform models create missing'."
    )
    assert (answer["code"], answer["status"], answer["message"]) == (404, "NOT_FOUND", f"Field: name Error: {text}")
    assert answer["details"][0]["fieldViolations"] == [{"field": "name", "description": text}]


def test_first_version_is_the_default_until_another_is_set(projects: Any, uri: str) -> None:
    """The first version becomes the default; others do when they are set; the default goes last, then the model."""
    model, versions = make_model(projects, "defaults"), projects.models().versions()
    first = make_version(projects, model, "v1", uri)
    assert first["metadata"]["operationType"] == "CREATE_VERSION"
    assert first["metadata"]["modelName"] == model
    assert first["metadata"]["endTime"] >= first["metadata"]["createTime"]
    assert first["response"]["@type"] == "type.googleapis.com/google.cloud.ml.v1.Version"
    assert (first["response"]["state"], first["response"]["isDefault"]) == ("READY", True)
    assert first["response"]["machineType"] == "mls1-c1-m2"
    second = make_version(projects, model, "v2", uri)
    assert "isDefault" not in second["response"]
    assert projects.models().get(name=model).execute()["defaultVersion"]["name"] == f"{model}/versions/v1"
    assert versions.setDefault(name=f"{model}/versions/v2", body={}).execute()["isDefault"] is True
    assert [v.get("isDefault") for v in versions.list(parent=model).execute()["versions"]] == [None, True]
    status, text = refused(versions.delete(name=f"{model}/versions/v2"))
    assert (status, "default version" in text) == (400, True)
    assert "versions first" in refused(projects.models().delete(name=model))[1]
    for name in ("v1", "v2"):
        done = versions.delete(name=f"{model}/versions/{name}").execute()
        assert (done["done"], done["metadata"]["operationType"]) == (True, "DELETE_VERSION")
    assert projects.models().delete(name=model).execute()["metadata"]["operationType"] == "DELETE_MODEL"
    assert refused(projects.models().get(name=model))[0] == 404


def test_a_version_is_a_copy(local_cloud: LocalCloud, projects: Any) -> None:
    """What happens to the folder after the version was made does not reach it."""
    uri = put_model(local_cloud, make_bucket(local_cloud, "classic-copies"), "sum")
    model = make_model(projects, "copied")
    make_version(projects, model, "v1", uri)
    put_object(local_cloud, "classic-copies", "sum/saved_model.pb", b"overwritten")
    assert len(projects.predict(name=model, body=ROWS).execute()["predictions"]) == 2


def test_versions_are_changed_by_their_mask(projects: Any, uri: str) -> None:
    """Description and scaling may change, the folder never; nodes only on Compute Engine's machines."""
    model = make_model(projects, "patched")
    make_version(projects, model, "v1", uri, description="old")
    patch, name = projects.models().versions().patch, f"{model}/versions/v1"
    done = patch(name=name, updateMask="description", body={"description": "new"}).execute()
    assert (done["metadata"]["operationType"], done["response"]["description"]) == ("UPDATE_VERSION", "new")
    done = patch(name=name, updateMask="autoScaling.minNodes", body={"autoScaling": {"minNodes": 1}}).execute()
    assert done["response"]["autoScaling"] == {"minNodes": 1}
    assert refused(patch(name=name, updateMask="deploymentUri", body={"deploymentUri": "gs://a/b"}))[0] == 400
    assert refused(patch(name=name, updateMask="manualScaling.nodes", body={"manualScaling": {"nodes": 2}}))[0] == 400
    listed = projects.operations().list(name=PROJECT, filter="done=true").execute()["operations"]
    assert {"CREATE_VERSION", "UPDATE_VERSION"} <= {one["metadata"]["operationType"] for one in listed}


def test_a_model_that_does_not_load_fails_its_version(local_cloud: LocalCloud, projects: Any) -> None:
    """The operation ends with the service's error, and the version stays as FAILED without becoming the default."""
    broken = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "broken")
    model = make_model(projects, "unloadable")
    done = make_version(projects, model, "v1", broken)
    assert done["error"]["message"].startswith(
        'Create Version failed. Bad model detected with error: "Failed to load model'
    )
    assert str(local_cloud.state) not in done["error"]["message"]
    version = projects.models().versions().get(name=f"{model}/versions/v1").execute()
    assert (version["state"], version["errorMessage"]) == ("FAILED", done["error"]["message"])
    assert "defaultVersion" not in projects.models().get(name=model).execute()
    assert "no default version" in refused(projects.predict(name=model, body=ROWS))[1]
    assert "CreateVersion has completed" in refused(projects.predict(name=version["name"], body=ROWS))[1]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "1v"}, 400, "Field: version.name"),
    ({"deploymentUri": ""}, 400, "Field: version.deployment_uri"),
    ({"deploymentUri": f"gs://{BUCKET}/nothing"}, 400, "expected to contain exactly one of: [saved_model.pb"),
    ({"runtimeVersion": ""}, 400, "Field: version.runtime_version"),
    ({"pythonVersion": "2.7"}, 400, "Field: version.python_version"),
    ({"runtimeVersion": "1.14"}, 400, "Use '3.5' or '2.7'"),
    ({"framework": "XGBOOST"}, 501, "XGBOOST"),
    ({"predictionClass": "a.B"}, 501, "custom prediction routines"),
    ({"machineType": "abacus"}, 400, "'abacus'"),
    ({"autoScaling": {"minNodes": 1}, "manualScaling": {"nodes": 1}}, 400, "Only one of"),
]


@pytest.mark.parametrize(("changes", "status", "text"), WRONG)
def test_version_refusals(projects: Any, uri: str, changes: dict[str, Any], status: int, text: str) -> None:
    """What the service refuses is refused, and what only other runtimes serve is said to be so."""
    if not projects.models().list(parent=PROJECT, filter="name:refusing").execute():
        make_model(projects, "refusing")
    body = {"name": "v1", "deploymentUri": uri, **RUNTIME, **changes}
    found = refused(projects.models().versions().create(parent=f"{PROJECT}/models/refusing", body=body))
    assert found[0] == status
    assert text in found[1]
    assert projects.models().versions().list(parent=f"{PROJECT}/models/refusing").execute() == {}


def test_cancelling_the_operation_takes_the_version_back(projects: Any, uri: str) -> None:
    """A version whose operation is cancelled before it is ready is not kept."""
    model = make_model(projects, "taken_back")
    body = {"name": "v1", "deploymentUri": uri, **RUNTIME}
    operation = projects.models().versions().create(parent=model, body=body).execute()
    again = projects.models().versions().create(parent=model, body=body)
    assert refused(again) == (409, "Field: version.name Error: A version with the same name already exists.")
    assert refused(projects.models().versions().delete(name=f"{model}/versions/v1"))[0] == 400
    projects.operations().cancel(name=operation["name"]).execute()
    done = waited(projects, operation)
    assert done["error"]["code"] == 1
    assert done["metadata"]["isCancellationRequested"] is True


def test_models_have_policies_and_projects_locations(projects: Any) -> None:
    """A policy is kept under its etag and goes with its model; the regions say what they can do."""
    model, models = make_model(projects, "with_policy"), projects.models()
    bindings = [{"role": "roles/ml.modelUser", "members": ["user:ann@example.com"]}]
    first = models.getIamPolicy(resource=model).execute()
    models.setIamPolicy(resource=model, body={"policy": {**first, "bindings": bindings}}).execute()
    assert models.getIamPolicy(resource=model).execute()["bindings"] == bindings
    assert refused(models.setIamPolicy(resource=model, body={"policy": first}))[0] == 409
    asked = {"permissions": ["ml.models.predict"]}
    assert models.testIamPermissions(resource=model, body=asked).execute() == asked
    models.delete(name=model).execute()
    assert refused(models.getIamPolicy(resource=model))[0] == 404
    assert refused(projects.jobs().getIamPolicy(resource=f"{PROJECT}/jobs/none"))[0] == 404
    names = [one["name"] for one in projects.locations().list(parent=PROJECT).execute()["locations"]]
    assert projects.locations().get(name=names[0]).execute()["capabilities"][0]["type"] == "BATCH_PREDICTION"
    assert refused(projects.locations().get(name=f"{PROJECT}/locations/mars"))[0] == 404
