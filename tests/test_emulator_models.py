"""Models, versions and aliases of the local Vertex AI, through Google's client."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import LocalCloud
from tests.vertex import (
    PARENT,
    client,
    make_bucket,
    model_body,
    put_object,
    refused,
    upload_model,
    wait_operation,
)


@pytest.fixture(scope="module", params=["v1", "v1beta1"])
def locations(request: pytest.FixtureRequest, local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of both versions of the API."""
    with client(local_cloud, request.param) as methods:
        yield methods


@pytest.fixture(scope="module")
def stable(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of v1."""
    with client(local_cloud) as methods:
        yield methods


@pytest.fixture
def artifact(local_cloud: LocalCloud) -> str:
    """A folder that looks like a SavedModel."""
    bucket = make_bucket(local_cloud, "models-of-tests")
    put_object(local_cloud, bucket, "m/saved_model.pb", b"graph")
    put_object(local_cloud, bucket, "m/variables/variables.index", b"index")
    return f"gs://{bucket}/m"


def test_upload_gives_the_models_resource(locations: Any, artifact: str) -> None:
    """An uploaded model has a number for a name, version 1 under the alias default, and what the service reports."""
    body = model_body(artifact, labels={"team": "a"}, description="d", versionDescription="first")
    operation = locations.models().upload(parent=PARENT, body={"model": body}).execute()
    kind = operation["metadata"]["@type"].rpartition(".")[2]
    done = wait_operation(locations, operation)
    name = done["response"]["model"]
    assert kind == "UploadModelOperationMetadata"
    assert done["response"]["@type"].endswith(".UploadModelResponse")
    assert done["response"]["modelVersionId"] == "1"
    assert operation["name"].startswith(f"{name}/operations/")
    model = locations.models().get(name=name).execute()
    assert {key: model[key] for key in body} == body
    assert (model["versionId"], model["versionAliases"]) == ("1", ["default"])
    formats = ["jsonl", "bigquery", "csv", "tf-record", "tf-record-gzip", "file-list"]
    assert model["supportedInputStorageFormats"] == formats
    assert model["supportedOutputStorageFormats"] == ["jsonl", "bigquery"]
    assert model["supportedDeploymentResourcesTypes"] == ["DEDICATED_RESOURCES"]
    assert model["modelSourceInfo"] == {"sourceType": "CUSTOM"}
    assert locations.models().listCheckpoints(name=f"{name}@1").execute() == {}
    assert refused(locations.models().listCheckpoints(name=f"{name}@2"))[0] == 404
    assert {"createTime", "updateTime", "versionCreateTime", "versionUpdateTime", "etag"} <= set(model)
    locations.models().delete(name=name).execute()
    assert refused(locations.models().get(name=name))[0] == 404


def test_versions_and_aliases(locations: Any, artifact: str) -> None:
    """Versions count up, an alias points at one of them, default moves and never goes away."""
    models = locations.models()
    name = upload_model(locations, model_body(artifact), modelId="aliases")["model"]
    assert name == f"{PARENT}/models/aliases"
    second = upload_model(locations, model_body(artifact, versionAliases=["golden"]), parentModel=name)
    assert second["modelVersionId"] == "2"
    assert models.get(name=name).execute()["versionId"] == "1"
    assert models.get(name=f"{name}@golden").execute()["versionId"] == "2"
    third = upload_model(locations, model_body(artifact, versionAliases=["default"]), parentModel=name)
    assert models.get(name=name).execute()["versionId"] == third["modelVersionId"] == "3"
    merged = models.mergeVersionAliases(name=f"{name}@1", body={"versionAliases": ["golden", "old-one"]}).execute()
    assert set(merged["versionAliases"]) == {"golden", "old-one"}
    assert (
        "versionAliases" not in models.get(name=f"{name}@2").execute()
        or not models.get(name=f"{name}@2").execute()["versionAliases"]
    )
    listed = models.listVersions(name=name).execute()["models"]
    assert [model["name"] for model in listed] == [f"{name}@3", f"{name}@2", f"{name}@1"]
    for aliases in (["-default"], ["Bad"], ["7"], ["x"]):
        version = f"{name}@3"
        assert refused(models.mergeVersionAliases(name=version, body={"versionAliases": aliases}))[0] == 400, aliases
    models.mergeVersionAliases(name=f"{name}@1", body={"versionAliases": ["-old-one"]}).execute()
    assert refused(models.get(name=f"{name}@old-one"))[0] == 404
    models.delete(name=name).execute()


def test_delete_rules(locations: Any, artifact: str) -> None:
    """Neither the only version nor the default one is deleted; a number is never given twice."""
    models = locations.models()
    name = upload_model(locations, model_body(artifact), modelId="deletions")["model"]
    status, message = refused(models.deleteVersion(name=f"{name}@1"))
    assert (status, "only version" in message) == (400, True)
    upload_model(locations, model_body(artifact), parentModel=name)
    assert "default version" in refused(models.deleteVersion(name=f"{name}@1"))[1]
    assert refused(models.deleteVersion(name=f"{name}@default"))[0] == 400
    assert refused(models.deleteVersion(name=f"{name}@9"))[0] == 404
    assert wait_operation(locations, models.deleteVersion(name=f"{name}@2").execute())["response"]
    assert upload_model(locations, model_body(artifact), parentModel=name)["modelVersionId"] == "3"
    models.delete(name=name).execute()
    assert upload_model(locations, model_body(artifact), modelId="deletions")["modelVersionId"] == "1"
    models.delete(name=name).execute()


def test_patch_keeps_model_and_version_apart(locations: Any, artifact: str) -> None:
    """A model's fields change under its name, a version's under the name with @, labels in both, merged when read."""
    models = locations.models()
    name = upload_model(locations, model_body(artifact, labels={"a": "1"}), modelId="patched")["model"]
    before = models.get(name=name).execute()
    changed = models.patch(name=name, updateMask="displayName,labels", body={"displayName": "n", "labels": {"b": "2"}})
    model = changed.execute()
    assert (model["displayName"], model["labels"]) == ("n", {"b": "2"})
    assert model["etag"] != before["etag"]
    body = {"versionDescription": "v", "labels": {"c": "3"}}
    model = models.patch(name=f"{name}@1", updateMask="version_description,labels", body=body).execute()
    assert (model["versionDescription"], model["labels"]) == ("v", {"b": "2", "c": "3"})
    assert refused(models.patch(name=name, updateMask="versionDescription", body=body))[0] == 400
    assert refused(models.patch(name=f"{name}@1", updateMask="displayName", body={"displayName": "x"}))[0] == 400
    assert refused(models.patch(name=name, updateMask="artifactUri", body={"artifactUri": "gs://a/b"}))[0] == 400
    assert refused(models.patch(name=name, body={"displayName": "x"}))[0] == 400
    stale = {"displayName": "x", "etag": before["etag"]}
    assert refused(models.patch(name=name, updateMask="displayName", body=stale))[0] == 409
    models.delete(name=name).execute()


def test_upload_refusals(locations: Any, local_cloud: LocalCloud, artifact: str) -> None:
    """What is wrong with an upload is said in the service's form, and nothing is left of it."""
    models = locations.models()
    before = set((local_cloud.state / "models").glob("*"))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"model": {"artifactUri": artifact}}, "1.Field: model.display_name; Message: Required field is not set."),
        ({"model": model_body(artifact, displayName="x" * 129)}, "129 characters"),
        ({"model": model_body(artifact, labels={"A": "b"})}, "lowercase letters"),
        ({"model": model_body(artifact), "modelId": "1st"}, "'1st'"),
        ({"model": model_body(artifact), "modelId": "Up"}, "'Up'"),
        ({"model": model_body(artifact, versionAliases=["1"])}, "version alias"),
    ]
    for body, text in wrong:
        status, message = refused(models.upload(parent=PARENT, body=body))
        assert status == 400, body
        assert text in message
    body = {"model": model_body(artifact), "parentModel": f"{PARENT}/models/none"}
    assert refused(models.upload(parent=PARENT, body=body))[0] == 404
    name = upload_model(locations, model_body(artifact), modelId="taken")["model"]
    assert refused(models.upload(parent=PARENT, body={"model": model_body(artifact), "modelId": "taken"}))[0] == 409
    models.delete(name=name).execute()
    assert set((local_cloud.state / "models").glob("*")) == before


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("empty", "is expected to contain exactly one of: [saved_model.pb, saved_model.pbtxt]"),
        pytest.param("many", "1001 files, at most 1000", marks=pytest.mark.long),
        ("escape", "no path"),
    ],
)
def test_artifacts_that_are_no_saved_model(local_cloud: LocalCloud, stable: Any, folder: str, text: str) -> None:
    """An upload's operation fails where the folder holds no SavedModel, too many files, or names that lead out."""
    locations = stable
    bucket = make_bucket(local_cloud, "bad-artifacts")
    files = {"empty": ["x"], "many": map(str, range(1000)), "escape": ["../../x"]}[folder]
    names = [*files, *([] if folder == "empty" else ["saved_model.pb"])]
    for name in names:
        put_object(local_cloud, bucket, f"{folder}/{name}", b"x")
    body = {"model": model_body(f"gs://{bucket}/{folder}"), "modelId": f"bad-{folder}"}
    done = wait_operation(locations, locations.models().upload(parent=PARENT, body=body).execute())
    assert text in done["error"]["message"]
    assert done["error"]["code"] == 9
    assert refused(locations.models().get(name=f"{PARENT}/models/bad-{folder}"))[0] == 404


def test_list_filters_orders_and_pages(stable: Any, artifact: str) -> None:
    """A list is filtered, ordered and cut into pages; deleting what a page showed skips nothing on the next."""
    models = stable.models()
    parent = "projects/local-project/locations/us-west1"
    names = []
    for number in range(5):
        model = model_body(artifact, displayName=f"m{number}", labels={"even": str(number % 2 == 0).lower()})
        operation = models.upload(parent=parent, body={"model": model}).execute()
        names.append(operation["response"]["model"])
    shown = models.list(parent=parent).execute()["models"]
    assert [model["displayName"] for model in shown] == ["m4", "m3", "m2", "m1", "m0"]
    even = models.list(parent=parent, filter='labels.even="true"', orderBy="display_name").execute()["models"]
    assert [model["displayName"] for model in even] == ["m0", "m2", "m4"]
    one = models.list(parent=parent, filter='displayName="m3" OR display_name=m1', readMask="displayName").execute()
    assert one["models"] == [{"displayName": "m3"}, {"displayName": "m1"}]
    assert refused(models.list(parent=parent, readMask="display_name,nope"))[0] == 400
    assert models.list(parent=parent, filter="displayName=none").execute() == {}
    seen: list[str] = []
    request = models.list(parent=parent, pageSize=2)
    while request is not None:
        page = request.execute()
        seen += [model["name"] for model in page["models"]]
        for model in page["models"]:
            models.delete(name=model["name"]).execute()
        request = models.list_next(request, page)
    assert seen == names[::-1]
    assert refused(models.list(parent=parent, filter="nothing=1"))[0] == 400
    assert refused(models.list(parent=parent, orderBy="versionId"))[0] == 400
    assert refused(models.list(parent=parent, pageToken="?"))[0] == 400


def test_locations(stable: Any) -> None:
    """Regions are listed and can be asked for by name."""
    locations = stable
    listed = locations.list(name="projects/local-project").execute()["locations"]
    assert PARENT in {location["name"] for location in listed}
    assert locations.get(name=PARENT).execute()["locationId"] == "us-central1"
    assert refused(locations.get(name="projects/local-project/locations/moon"))[0] == 404
