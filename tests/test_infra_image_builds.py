"""`invoke image`: what is sent is what Google documents, what comes back becomes the stack's setting."""

import json
from pathlib import Path
from typing import Any

import pytest
from invoke import Context, Exit

from infra import deployment, image_tasks, images, stacks
from infra.google_client import Connection, Json, PredictionApiError, client
from infra.image_builds import ImageBuild, digest_of, ended, follow_build, start_build
from infra.images import build_image
from infra.setting_table import NAMESPACE
from infra.settings import LOCAL_TOKEN, local_stack_config
from infra.stacks import Stack, StackError, write_stack
from infra.storage_client import storage_client
from tests.cloud import LocalCloud
from tests.discovery import Recorder, check_request
from tests.local_stack import new_bucket, outputs, unique

DIGEST = f"sha256:{'c' * 64}"
BUILD = ImageBuild("b-b", "builds/x.tar.gz", "7", "us-central1-docker.pkg.dev/p-p/serving-x/i:source-1", "build@p.iam")


@pytest.fixture
def stack(local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A local stack with a file of its own."""
    monkeypatch.setattr(stacks, "FOLDER", tmp_path)
    return write_stack(unique("image"), local_stack_config(local_cloud.url), "salt")


def connection(local_cloud: LocalCloud, api: str) -> Connection:
    """Return a connection to one of the local cloud's APIs."""
    return Connection("local-project", "us-central1", f"{local_cloud.url}/{api}/", LOCAL_TOKEN, api, "v1")


def deployed(local_cloud: LocalCloud) -> dict[str, Any]:
    """Return outputs of a stack whose bucket, repository and account are there."""
    account, repository, parent = unique("build")[:28], unique("serving"), "projects/local-project"
    accounts = client(connection(local_cloud, "iam")).projects().serviceAccounts()
    accounts.create(name=parent, body={"accountId": account, "serviceAccount": {}}).execute()
    repositories = client(connection(local_cloud, "artifactregistry")).projects().locations().repositories()
    place = f"{parent}/locations/us-central1"
    repositories.create(parent=place, repositoryId=repository, body={"format": "DOCKER"}).execute()
    email = f"{account}@local-project.iam.gserviceaccount.com"
    bucket = new_bucket(local_cloud).removeprefix("gs://")
    return {**outputs(local_cloud), "bucket": bucket, "registry": {"repository": repository, "buildAccount": email}}


def test_every_request_is_one_that_google_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, parameters and bodies of all calls of this file are in the discovery documents."""
    from googleapiclient.discovery import build

    recorder = Recorder({"metadata": {"build": {"id": "1"}}, "version": f"a/{DIGEST}", "status": "SUCCESS"})
    monkeypatch.setattr(
        "infra.image_builds.client",
        lambda connection: build(connection.api, connection.version, http=recorder, static_discovery=True),
    )
    builds = Connection("p-p", "us-central1", "x", "t", "cloudbuild", "v1")
    start_build(builds, "global", BUILD)
    follow_build(builds, "global", {"id": "1", "status": "QUEUED"})
    assert digest_of(Connection("p-p", "us-central1", "x", "t", "artifactregistry", "v1"), BUILD.image) == DIGEST
    found = [
        check_request("artifactregistry.v1" if "artifactregistry" in uri else "cloudbuild.v1", method, uri, body)
        for method, uri, body in recorder.sent
    ]
    assert found == [
        "cloudbuild.projects.locations.builds.list",
        "cloudbuild.projects.locations.builds.create",
        "cloudbuild.projects.locations.builds.get",
        "artifactregistry.projects.locations.repositories.packages.tags.get",
    ]


def test_the_build_runs_as_the_stacks_account_and_logs_where_it_may() -> None:
    """Cloud Build refuses an account of one's own without a logging choice."""
    body = BUILD.body("p-p")
    assert body["serviceAccount"] == "projects/p-p/serviceAccounts/build@p.iam"
    assert body["options"]["logging"] == "CLOUD_LOGGING_ONLY"
    assert body["images"] == [BUILD.image]
    assert body["timeout"].endswith("s")


def test_a_local_cloud_checks_and_keeps_the_build_and_the_setting_stays(stack: Stack, local_cloud: LocalCloud) -> None:
    """Nothing is executed, so nothing is named as an image; the source is in the bucket, the states were told."""
    seen: list[Json] = []
    found = deployed(local_cloud)
    built = build_image(stack, found, "global", lambda _: None, seen.append)
    assert built.pinned == ""
    assert not built.changed
    assert "runs no containers" in built.detail
    assert [each["status"] for each in (seen[0], seen[-1])] == ["QUEUED", "EXPIRED"]
    assert f"{NAMESPACE}:servingImage" not in stack.path.read_text()
    (archive,) = storage_client(found).list_blobs(found["bucket"])
    assert archive.name == f"builds/{built.image.rpartition(':')[2]}.tar.gz"


def test_a_build_under_way_is_followed_not_doubled(stack: Stack, local_cloud: LocalCloud) -> None:
    """After Ctrl-C, or from another terminal, the same source joins the build that is there."""
    found = deployed(local_cloud)
    build_image(stack, found, "europe-west1", lambda _: None)
    builds = connection(local_cloud, "cloudbuild")
    (blob,) = storage_client(found).list_blobs(found["bucket"])
    email = found["registry"]["buildAccount"]
    image = f"us-central1-docker.pkg.dev/local-project/r/i:{unique('t')}"
    asked = ImageBuild(found["bucket"], blob.name, str(blob.generation), image, email)
    first = start_build(builds, "europe-west1", asked)
    assert start_build(builds, "europe-west1", asked)["id"] == first["id"]


def test_a_finished_image_becomes_the_stacks_setting(
    stack: Stack, local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinned by its digest; a second time the same source is found in the registry, and nothing is built."""
    done = {"id": "1", "status": "SUCCESS", "results": {"images": [{"name": "x", "digest": DIGEST}]}}
    monkeypatch.setattr(images, "follow_build", lambda *_: done)
    found = deployed(local_cloud)
    built = build_image(stack, found, "global", lambda _: None)
    assert built.pinned.endswith(f"/{found['registry']['repository']}/{NAMESPACE}@{DIGEST}")
    assert built.changed
    assert f"{NAMESPACE}:servingImage: {built.pinned}" in stack.path.read_text()
    monkeypatch.setattr(images, "digest_of", lambda *_: DIGEST)
    monkeypatch.setattr(images, "start_build", None)
    again = build_image(stacks.read_stack(stack.name), found, "global", lambda _: None)
    assert (again.pinned, again.build, again.changed) == (built.pinned, "", False)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"status": "FAILURE", "failureInfo": {"type": "USER_BUILD_STEP", "detail": "step 0 exited with 1"}}, "step 0"),
        ({"status": "TIMEOUT", "statusDetail": "took too long"}, "ended as timeout: took too long"),
        ({"status": "CANCELLED"}, "ended as cancelled: no reason given"),
    ],
)
def test_a_build_that_fails_says_why_and_where_its_log_is(
    stack: Stack, local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, end: Json, reason: str
) -> None:
    """One line; the setting stays."""
    monkeypatch.setattr(images, "follow_build", lambda *_: {"id": "1", "logUrl": "https://log", **end})
    with pytest.raises(StackError, match=reason) as caught:
        build_image(stack, deployed(local_cloud), "global", lambda _: None)
    assert "https://log" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"{NAMESPACE}:servingImage" not in stack.path.read_text()


def test_a_build_that_takes_too_long_goes_on(local_cloud: LocalCloud) -> None:
    """The time limit ends the task, not the build."""
    with pytest.raises(PredictionApiError, match="it goes on"):
        follow_build(connection(local_cloud, "cloudbuild"), "global", {"id": "1", "status": "QUEUED"}, limit=0.01)


def test_a_stack_with_another_image_has_nothing_to_build(stack: Stack, local_cloud: LocalCloud) -> None:
    """The line says which setting makes it so."""
    with pytest.raises(StackError, match=r"pulumi config rm keras-batch-prediction:servingImage"):
        build_image(stack, {**outputs(local_cloud), "registry": {}}, "global", lambda _: None)


def test_the_task_says_that_nothing_was_executed(
    stack: Stack, local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json one object is stdout's last line; a wrong place is refused before anything is asked."""
    monkeypatch.setattr(deployment, "outputs", lambda _stack: deployed(local_cloud))
    facts = image_tasks.image(Context(), stack=stack.name, json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == facts
    assert (facts["image"], facts["executed"], facts["changed"]) == ("", False, False)
    assert "not built. The local cloud runs no containers" in printed.err
    assert "image queued" in printed.err
    with pytest.raises(Exit, match=r"--location is 'moon'; wanted: global, or a region"):
        image_tasks.image(Context(), stack=stack.name, location="moon")


def test_only_queued_and_working_builds_are_under_way() -> None:
    """Every other state of the document is an end."""
    from tests.discovery import document

    states = document("cloudbuild.v1")["schemas"]["Build"]["properties"]["status"]["enum"]
    assert {state for state in states if not ended({"status": state})} == {"PENDING", "QUEUED", "WORKING"}
