"""Model and version as Pulumi resources, on the local cloud: made once, found again, changed, replaced, deleted."""

import sys
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from infra import prediction
from infra.google_client import PredictionApiError
from infra.model_version import ModelProvider, VersionProvider
from infra.settings import NAMESPACE
from tests.cloud import LocalCloud
from tests.local_stack import CONTAINER, configured, connection, new_bucket, unique, upload_artifact

LABELS = {"app": NAMESPACE, "stack": "local", "team": "pricing"}


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the limit that a provider sets for its own process out of the other tests."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture
def models(local_cloud: LocalCloud) -> Any:
    """The provider of models."""
    return configured(ModelProvider(), local_cloud)


@pytest.fixture
def versions(local_cloud: LocalCloud) -> Any:
    """The provider of versions."""
    return configured(VersionProvider(), local_cloud)


@pytest.fixture(scope="module")
def artifacts(local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Addresses of two artifacts in the bucket."""
    folder, bucket = tmp_path_factory.mktemp("artifacts"), new_bucket(local_cloud)
    return [upload_artifact(local_cloud, folder, bucket, digest) for digest in ("aaaaaaaa", "bbbbbbbb")]


def wire(props: dict[str, Any]) -> dict[str, Any]:
    """Return properties as they come over Pulumi's wire: numbers are doubles, the provider is among them."""
    container = {**CONTAINER, "ports": [{"containerPort": 8080.0}]}
    return {**props, "container_spec": container, "__provider": "…"}


def model_props(artifact: str, **extra: Any) -> dict[str, Any]:
    """Return a model's properties under a name of its own."""
    name = unique("model")
    props = {
        "project": "local-project",
        "location": "us-central1",
        "model_id": name,
        "display_name": name,
        "description": "Housing prices",
        "labels": LABELS,
        "artifact_uri": artifact,
        "digest": artifact.rpartition("/")[2],
    }
    return wire({**props, **extra})


def version_props(model: str, artifact: str, **extra: Any) -> dict[str, Any]:
    """Return a version's properties."""
    props = {"model": model, "alias": "default", "artifact_uri": artifact, "digest": artifact.rpartition("/")[2]}
    return wire({**props, **extra})


def standing_versions(cloud: LocalCloud, model: str) -> dict[str, list[str]]:
    """Return a model's versions and their aliases."""
    found = prediction.list_versions(connection(cloud), model)
    return {version["versionId"]: version.get("versionAliases", []) for version in found}


def test_a_model_is_created_with_its_first_version(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """The version resource takes that first version for its own: there is one upload, not two."""
    model = models.create(model_props(artifacts[0]))
    version = versions.create(version_props(model.id, artifacts[0]))
    assert version.id == f"{model.id}@1"
    assert version.outs["version"] == "1"
    assert standing_versions(local_cloud, model.id) == {"1": ["default"]}
    live = prediction.get_model(connection(local_cloud), model.id)
    assert live is not None
    assert live["labels"] == LABELS
    assert live["containerSpec"]["ports"] == [{"containerPort": 8080}]


def test_creating_again_finds_what_is_there(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """An engine that was killed between the call and its state's saving does not make a second one."""
    props = model_props(artifacts[0])
    model = models.create(props)
    assert models.create(props).outs == model.outs
    second = version_props(model.id, artifacts[1])
    assert versions.create(second).outs == versions.create(second).outs
    assert standing_versions(local_cloud, model.id) == {"1": [], "2": ["default"]}


def test_a_model_that_was_half_made_is_made_right(models: Any, artifacts: list[str]) -> None:
    """What an interrupted run made with an older description is brought up to date when it is taken over."""
    props = model_props(artifacts[0])
    models.create(props)
    models.create({**props, "description": "Newer"})
    live = models.read(f"projects/local-project/locations/us-central1/models/{props['model_id']}", props)
    assert live.outs["description"] == "Newer"


def test_a_model_of_someone_else_is_not_taken_over(models: Any, artifacts: list[str]) -> None:
    """A name that is taken is a refusal that names the command which gives the model to the stack."""
    props = model_props(artifacts[0])
    models.create({**props, "labels": {"stack": "other", "app": NAMESPACE}})
    with pytest.raises(PredictionApiError, match="--update-labels app=keras-batch-prediction,stack=local") as caught:
        models.create(props)
    assert "\n" not in str(caught.value)


def test_a_named_model_is_adopted_with_the_versions_it_has(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """It gets the stack's labels beside its own; the stack's artifact becomes a further version, the default one."""
    props = model_props(artifacts[0])
    name = f"{connection(local_cloud).parent}/models/{props['model_id']}"
    body: dict[str, Any] = {"displayName": "theirs", "containerSpec": CONTAINER, "artifactUri": artifacts[0]}
    body["labels"] = {"owner": "them"}
    prediction.upload_model(connection(local_cloud), body, model_id=props["model_id"])
    with pytest.raises(PredictionApiError, match="not of this stack"):
        models.create(props)
    adopted = models.create({**props, "adopt": True})
    assert adopted.id == name
    live = prediction.get_model(connection(local_cloud), name)
    assert live is not None
    assert live["labels"] == {**LABELS, "owner": "them"}
    versions.create(version_props(name, artifacts[1]))
    assert standing_versions(local_cloud, name) == {"1": [], "2": ["default"]}
    assert not models.diff(name, adopted.outs, {**props, "adopt": True}).changes


def test_what_is_not_there_or_another_stacks_is_not_adopted(
    local_cloud: LocalCloud, models: Any, artifacts: list[str]
) -> None:
    """A misspelt name makes no model, and no stack takes another's."""
    props = model_props(artifacts[0], adopt=True)
    with pytest.raises(PredictionApiError, match=r"There is no model '.*' to adopt\. Correct the setting adoptModels"):
        models.create(props)
    name = f"{connection(local_cloud).parent}/models/{props['model_id']}"
    assert prediction.get_model(connection(local_cloud), name) is None
    models.create({**props, "adopt": False, "labels": {"stack": "other", "app": NAMESPACE}})
    with pytest.raises(PredictionApiError, match="not of this stack"):
        models.create(props)


def test_a_new_digest_is_a_new_version_before_the_old_one_goes(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """The diff replaces, the new version takes `default`, and only then is the old one deleted."""
    model = models.create(model_props(artifacts[0]))
    first = versions.create(version_props(model.id, artifacts[0]))
    wanted = version_props(model.id, artifacts[1])
    diff = versions.diff(first.id, first.outs, wanted)
    assert diff.changes
    assert diff.replaces == ["artifact_uri", "digest"]
    assert not diff.delete_before_replace
    second = versions.create(wanted)
    assert standing_versions(local_cloud, model.id) == {"1": [], "2": ["default"]}
    versions.delete(first.id, first.outs)
    assert standing_versions(local_cloud, model.id) == {"2": ["default"]}
    assert second.outs["version"] == "2"


def test_new_content_in_the_same_folder_is_a_new_version(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """The service copied the artifact when it was uploaded, so another digest needs another upload."""
    model = models.create(model_props(artifacts[0]))
    versions.create(version_props(model.id, artifacts[0]))
    assert versions.create(version_props(model.id, artifacts[0], digest="cccccccc")).outs["version"] == "2"
    assert standing_versions(local_cloud, model.id) == {"1": [], "2": ["default"]}


def test_the_last_version_goes_with_its_model(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """Vertex AI keeps one version for each model: destroying both is clean, and twice is no error."""
    model = models.create(model_props(artifacts[0]))
    version = versions.create(version_props(model.id, artifacts[0]))
    versions.delete(version.id, version.outs)
    assert standing_versions(local_cloud, model.id) == {"1": ["default"]}
    models.delete(model.id, model.outs)
    assert prediction.get_model(connection(local_cloud), model.id) is None
    models.delete(model.id, model.outs)
    versions.delete(version.id, version.outs)


def test_unchanged_properties_are_no_change(models: Any, versions: Any, artifacts: list[str]) -> None:
    """A second `up` sees none: neither after the creation nor after a refresh."""
    props = model_props(artifacts[0])
    model = models.create(props)
    assert not models.diff(model.id, model.outs, props).changes
    assert not models.diff(model.id, models.read(model.id, model.outs).outs, props).changes
    wanted = version_props(model.id, artifacts[0])
    version = versions.create(wanted)
    assert not versions.diff(version.id, version.outs, wanted).changes
    assert not versions.diff(version.id, versions.read(version.id, version.outs).outs, wanted).changes


def test_a_models_new_artifact_is_no_change_of_the_model(models: Any, artifacts: list[str]) -> None:
    """Only versions come from artifacts; name, place and description make the model."""
    old = {**model_props(artifacts[0]), "name": "…"}
    assert not models.diff("id", old, {**old, "artifact_uri": artifacts[1], "digest": "bbbbbbbb"}).changes
    renamed = models.diff("id", old, {**old, "description": "Other"})
    assert (renamed.changes, renamed.replaces) == (True, [])
    assert models.diff("id", old, {**old, "model_id": "other"}).replaces == ["model_id"]
    assert models.diff("id", old, {**old, "location": "europe-west4"}).replaces == ["location"]


def test_an_update_keeps_the_labels_of_others(local_cloud: LocalCloud, models: Any, artifacts: list[str]) -> None:
    """Labels that the program dropped go, those that it never set stay."""
    props = model_props(artifacts[0])
    model = models.create(props)
    there = connection(local_cloud)
    prediction.patch_model(there, model.id, {"labels": {**LABELS, "theirs": "1"}})
    wanted = {**props, "display_name": "Renamed", "labels": {key: LABELS[key] for key in ("app", "stack")}}
    assert models.diff(model.id, model.outs, wanted).changes
    updated = models.update(model.id, model.outs, wanted)
    live = prediction.get_model(there, model.id)
    assert live is not None
    assert live["displayName"] == "Renamed"
    assert live["labels"] == {"app": NAMESPACE, "stack": "local", "theirs": "1"}
    assert not models.diff(model.id, updated.outs, wanted).changes


def test_changes_outside_are_seen_and_put_right(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """Refresh reads another description, a lost label and a moved alias; the next `up` restores them."""
    there, props = connection(local_cloud), model_props(artifacts[0])
    model = models.create(props)
    wanted = version_props(model.id, artifacts[0])
    version = versions.create(wanted)
    other = versions.create(version_props(model.id, artifacts[1]))
    prediction.patch_model(there, model.id, {"description": "Meddled", "labels": {"app": NAMESPACE, "stack": "local"}})

    seen = models.read(model.id, model.outs)
    assert seen.outs["description"] == "Meddled"
    assert "team" not in seen.outs["labels"]
    assert models.diff(model.id, seen.outs, props).changes
    models.update(model.id, seen.outs, props)
    assert models.read(model.id, model.outs).outs == model.outs

    seen = versions.read(version.id, version.outs)
    assert seen.outs["alias"] == ""
    diff = versions.diff(version.id, seen.outs, wanted)
    assert (diff.changes, diff.replaces) == (True, [])
    versions.update(version.id, seen.outs, wanted)
    assert standing_versions(local_cloud, model.id) == {"1": ["default"], "2": []}
    assert versions.read(version.id, version.outs).outs == version.outs
    assert versions.read(other.id, other.outs).outs["alias"] == ""


def test_an_alias_of_ones_own_can_be_exchanged(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """The new alias is given and the old one taken away; `default` is never taken away, only moved."""
    model = models.create(model_props(artifacts[0]))
    version = versions.create(version_props(model.id, artifacts[0], alias="candidate"))
    versions.update(version.id, version.outs, version_props(model.id, artifacts[0], alias="champion"))
    assert standing_versions(local_cloud, model.id) == {"1": ["champion", "default"]}


def test_what_was_deleted_outside_is_gone_on_read(
    local_cloud: LocalCloud, models: Any, versions: Any, artifacts: list[str]
) -> None:
    """Gone is an empty id; the engine makes it anew."""
    model = models.create(model_props(artifacts[0]))
    version = versions.create(version_props(model.id, artifacts[0]))
    prediction.delete_model(connection(local_cloud), model.id)
    for provider, resource in ((models, model), (versions, version)):
        read = provider.read(resource.id, resource.outs)
        assert (read.id, read.outs) == ("", {})


def test_a_resource_reads_from_its_id_alone(models: Any, versions: Any, artifacts: list[str]) -> None:
    """Import knows the id only: everything else comes from Vertex AI."""
    props = model_props(artifacts[0])
    model = models.create(props)
    version = versions.create(version_props(model.id, artifacts[0]))
    assert models.read(model.id, {}).outs == model.outs
    assert versions.read(version.id, {}).outs == version.outs
    assert not models.diff(model.id, models.read(model.id, {}).outs, props).changes


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"model_id": "Big"}, "model_id"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "x" * 129}, "display_name"),
        ({"labels": {"Team": "x"}}, "labels"),
        ({"labels": {"team": "X"}}, "labels"),
        ({"artifact_uri": "/tmp/model"}, "artifact_uri"),
        ({"container_spec": {}}, "container_spec"),
    ],
)
def test_what_vertex_ai_would_refuse_fails_the_check(change: dict[str, Any], wrong: str) -> None:
    """A wrong input is named before anything is sent."""
    checked = ModelProvider().check({}, {**model_props("gs://b-b/m/aaaaaaaa"), **change})
    assert [failure.property for failure in checked.failures] == [wrong]
    assert "wanted:" in checked.failures[0].reason


def test_values_unknown_yet_pass_the_check_and_count_as_changed() -> None:
    """In a preview a model's name is not known before the model is."""
    props = version_props("…", "gs://b-b/m/aaaaaaaa") | {"model": UNKNOWN}
    assert VersionProvider().check({}, props).failures == []
    assert VersionProvider().diff("id", {**props, "model": "projects/p/…"}, props).replaces == ["model"]
    unknown = dict.fromkeys(props, UNKNOWN)
    assert VersionProvider().check({}, unknown).failures == []


def test_a_failed_upload_leaves_nothing_behind(local_cloud: LocalCloud, models: Any) -> None:
    """The refusal is one line; the next run starts from where this one did."""
    props = model_props("gs://no-such-bucket-at-all/models/aaaaaaaa")
    with pytest.raises(PredictionApiError, match="no-such-bucket-at-all"):
        models.create(props)
    name = f"{connection(local_cloud).parent}/models/{props['model_id']}"
    assert prediction.get_model(connection(local_cloud), name) is None


def test_the_state_holds_providers_by_name() -> None:
    """A provider is pickled as a reference: new code works on old state, and no state changes with it."""
    import base64

    from pulumi.dynamic.dynamic import serialize_provider

    text = base64.b64decode(serialize_provider(ModelProvider()))
    assert b"infra.model_version" in text
    assert b"ModelProvider" in text
    assert len(text) < 100
