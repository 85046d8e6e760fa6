"""Cloud Build's client on the local cloud: builds are checked, kept, waited for; none is ever said to have run."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import LocalCloud
from tests.google import build as build_client
from tests.storage import new_bucket, storage_client
from tests.test_emulator_clients import refused

PARENT = "projects/client-project/locations/europe-west1"


@pytest.fixture
def cloud_build(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client."""
    client = build_client(local_cloud, "cloudbuild", "v1")
    yield client
    client.close()


@pytest.fixture(scope="module")
def source(local_cloud: LocalCloud) -> dict[str, Any]:
    """An archive in a bucket."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("Dockerfile"))
    bucket = new_bucket(storage_client(local_cloud))
    bucket.blob("source.tar.gz").upload_from_string(packed.getvalue())
    bucket.blob("text.tar.gz").upload_from_string("no archive")
    return {"bucket": bucket.name, "object": "source.tar.gz"}


def body(source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a build that Cloud Build would take."""
    steps = [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "."]}]
    return {"source": {"storageSource": source}, "steps": steps, "images": ["europe-docker.pkg.dev/p/r/i:t"], **fields}


def test_a_build_waits_and_expires_and_says_what_was_not_executed(cloud_build: Any, source: dict[str, Any]) -> None:
    """Its source is pinned to a generation; at the end there is no result, and the reason is in words."""
    builds = cloud_build.projects().locations().builds()
    operation = builds.create(parent=PARENT, body=body(source, tags=["one"], queueTtl="0s")).execute()
    queued = operation["metadata"]["build"]
    assert queued["status"] == "QUEUED"
    assert not operation.get("done")
    found = builds.get(name=queued["name"]).execute()
    assert found["status"] == "EXPIRED"
    assert "none of its steps was executed" in found["statusDetail"]
    assert "results" not in found
    assert found["sourceProvenance"]["resolvedStorageSource"]["generation"].isdecimal()
    ended = cloud_build.projects().locations().operations().get(name=operation["name"]).execute()
    assert ended["done"]
    assert ended["metadata"]["build"] == found
    assert "no image was made" in ended["error"]["message"]


def test_builds_are_found_by_tag_and_cancelled(cloud_build: Any, source: dict[str, Any]) -> None:
    """The global collection, by project alone; a build that has ended cannot be cancelled."""
    builds = cloud_build.projects().builds()
    wanted = body(source, tags=["mine", "two"], queueTtl="600s")
    operation = builds.create(projectId="build-project", body=wanted).execute()
    assert operation["name"].startswith("operations/build/build-project/")
    (found,) = builds.list(projectId="build-project", filter='tags="two" AND status="QUEUED"').execute()["builds"]
    assert builds.list(projectId="build-project", filter='tags="three"').execute() == {}
    cancelled = builds.cancel(projectId="build-project", id=found["id"], body={}).execute()
    assert cancelled["status"] == "CANCELLED"
    assert builds.get(projectId="build-project", id=found["id"]).execute() == cancelled
    assert refused(builds.cancel(projectId="build-project", id=found["id"], body={}))[1] == "FAILED_PRECONDITION"
    assert cloud_build.operations().get(name=operation["name"]).execute()["error"]["code"] == 1
    assert cloud_build.operations().cancel(name=operation["name"], body={}).execute() == {}


def test_cancelling_the_operation_cancels_the_build(cloud_build: Any, source: dict[str, Any]) -> None:
    """Clients that only know operations get the same."""
    locations = cloud_build.projects().locations()
    operation = locations.builds().create(parent=PARENT, body=body(source, queueTtl="600s")).execute()
    locations.operations().cancel(name=operation["name"], body={}).execute()
    name = operation["metadata"]["build"]["name"]
    assert locations.builds().get(name=name).execute()["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": []}, "no build steps are specified"),
        ({"steps": [{"args": ["x"]}]}, "invalid build step name"),
        ({"images": ["UPPER CASE"]}, "invalid image name"),
        ({"timeout": "1 day"}, "duration must end with 's'"),
        ({"timeout": "86401s"}, "timeout must be at most 24 hours"),
        ({"tags": ["no blanks"]}, "build tag 'no blanks'"),
        (
            {"serviceAccount": "projects/p/serviceAccounts/a@b.c"},
            "if 'build.service_account' is specified, the build must",
        ),
        ({"source": {"storageSource": {"bucket": "no-such-bucket", "object": "x"}}}, "could not resolve source"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cloud_build_refuses_is_refused(
    cloud_build: Any, source: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    """Before it is queued, with what is wrong."""
    request = cloud_build.projects().builds().create(projectId="p-project", body={**body(source), **change})
    code, status, text = refused(request)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert message in text


def test_a_source_that_is_no_archive_and_an_unknown_account_are_refused(
    cloud_build: Any, source: dict[str, Any]
) -> None:
    """An object alone is no source; an account has to be there."""
    builds = cloud_build.projects().builds()
    text = body({**source, "object": "text.tar.gz"})
    assert "neither a gzipped tar nor a zip" in refused(builds.create(projectId="p-project", body=text))[2]
    nobody = {"serviceAccount": "projects/p-project/serviceAccounts/a@b.c", "options": {"logging": "NONE"}}
    assert refused(builds.create(projectId="p-project", body=body(source, **nobody)))[:2] == (404, "NOT_FOUND")
    assert refused(builds.get(projectId="p-project", id="none"))[0] == 404
    assert refused(cloud_build.operations().get(name="operations/build/p-project/!"))[0] == 404
