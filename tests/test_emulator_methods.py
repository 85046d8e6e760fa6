"""What a request means: the method that strict mode asks about is the one that is then done, on every path."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from infra.emulator.methods import Asked, Meaning, first_values, meaning
from tests.cloud import LocalCloud, start_cloud

READER = "user:reader@example.com"
OBJECT = {"bucket": "b", "object": "a/o"}
COPY = {"x-goog-copy-source": "/from/x%20y"}
SIGNED = "X-Goog-Signature=0"


def meant(verb: str, address: str, **headers: str) -> Meaning:
    """Return what a request means that comes as a client writes it."""
    raw, _, query = address.partition("?")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return meaning(Asked(verb, unquote(raw), raw, first_values(query), named))


@pytest.mark.parametrize(
    ("verb", "address", "method", "path"),
    [
        ("GET", "/storage/v1/b/b/o/a%2Fo?alt=media", "objects.get", OBJECT),
        ("DELETE", "/storage/v1/b/b/o/a%2Fo?alt=media", "objects.delete", OBJECT),
        ("GET", "/download/storage/v1/b/b/o/a/o?alt=media", "objects.get", OBJECT),
        ("PUT", "/download/x", "objects.insert", {"bucket": "download", "object": "x"}),
        ("POST", "/upload/storage/v1/b/b/o?uploadType=media", "objects.insert", {"bucket": "b"}),
        ("PUT", "/resumable/upload/storage/v1/b/b/o?upload_id=1", "objects.insert", {"bucket": "b"}),
        ("GET", "/upload/storage/v1/b/b/o", "objects.get", {"bucket": "upload", "object": "storage/v1/b/b/o"}),
        ("POST", "/upl%6Fad/storage/v1/b/b/o", "objects.insert", {"bucket": "b"}),
        ("GET", "/b/a/o", "objects.get", OBJECT),
        ("PUT", "/b/a/o", "objects.insert", OBJECT),
        ("DELETE", "/b/a/o", "objects.delete", OBJECT),
        ("DELETE", "/b/a/o?uploadId=1", "objects.insert", OBJECT),
        ("GET", "/b/a/o?acl", "objectAccessControls.list", OBJECT),
        ("PUT", "/b/a/o?acl", "objectAccessControls.update", OBJECT),
        ("GET", "/b", "objects.list", {"bucket": "b"}),
        ("HEAD", "/b", "buckets.get", {"bucket": "b"}),
        ("GET", "/b?location", "buckets.get", {"bucket": "b"}),
        ("GET", "/b?acl", "bucketAccessControls.list", {"bucket": "b"}),
        ("PUT", "/b", "buckets.insert", {"bucket": "b", "project": ""}),
        ("DELETE", "/b/", "buckets.delete", {"bucket": "b"}),
        ("POST", "/b", "objects.insert", {"bucket": "b"}),
        ("GET", "/", "buckets.list", {"project": ""}),
    ],
)
def test_a_request_means_a_method(verb: str, address: str, method: str, path: dict[str, str]) -> None:
    """By verb, decoded path and what the query asks for, in the order of the server's routes."""
    found = meant(verb, address)
    assert (found.method, found.path) == (f"storage.{method}", path)


@pytest.mark.parametrize(
    "opened",
    [
        "GET /storage/v1/b/b/o/a?alt=media",
        "HEAD /download/storage/v1/b/b/o/a",
        "POST /upload/storage/v1/b/b/o?uploadType=media",
        "PUT /resumable/upload/storage/v1/b/b/o?upload_id=1",
        "GET /b/a",
        "HEAD /b/a",
        "PUT /b/a",
        "DELETE /b/a",
        "POST /b/a?uploads",
        "POST /b",
        "GET /b",
    ],
)
def test_objects_bytes_can_be_opened_to_pages(opened: str) -> None:
    """Each path on which bytes go in or out, and what lists them, by the bucket whose rules then count."""
    found = meant(*opened.split(" "))
    assert (found.content, found.path["bucket"]) == (True, "b")


@pytest.mark.parametrize(
    "closed",
    [
        "GET /storage/v1/b/b/o/a",
        "DELETE /storage/v1/b/b/o/a?alt=media",
        "GET /storage/v1/b/b?alt=media",
        "POST /storage/v1/b/b/o/a/rewriteTo/b/b/o/c",
        "GET /aiplatform/v1/projects/p/locations/us-central1/models",
        "GET /b/a?acl",
        "PUT /b?acl",
        "PUT /b",
        "HEAD /b",
        "DELETE /b",
        "GET /b?location",
        "GET /",
        "PATCH /b/a",
        "POST /batch/storage/v1",
        "POST /b%61tch/storage/v1",
        "GET /healthz",
        "POST /_local/clock",
        "GET /upload/storage/v1/b/b/o",
        "PUT /storage/x",
    ],
)
def test_nothing_else_can(closed: str) -> None:
    """Settings, lists of access, the APIs, the local cloud's own paths, buckets named as other paths begin."""
    assert not meant(*closed.split(" ")).content


def test_headers_change_what_is_meant() -> None:
    """A POST can stand for another verb, on the APIs only; a PUT that copies reads its source."""
    assert meant("POST", "/storage/v1/b/b/o/a", x_http_method_override="DELETE").method == "storage.objects.delete"
    assert meant("POST", "/b/a", x_http_method_override="DELETE").method == "storage.objects.insert"
    copied = meaning(Asked("PUT", "/b/a/o", "/b/a/o", {}, COPY))
    places = {"sourceBucket": "from", "sourceObject": "x y", "destinationBucket": "b", "destinationObject": "a/o"}
    assert (copied.method, copied.path, copied.content) == ("storage.objects.copy", places, False)
    assert meant("POST", "/batch/storage/v1") == meant("PUT", "/healthz") == meant("GET", "/_local/x") == Meaning()


def test_only_addresses_that_are_checked_are_proof() -> None:
    """A signature counts where it is checked, in XML; an upload's address where it goes on with that upload."""
    assert meant("GET", f"/b/a?{SIGNED}").proven
    assert meant("GET", "/b/a?GoogleAccessId=me&Signature=0&Expires=1").proven
    assert meant("PUT", "/b/a?upload_id=1").proven
    assert meant("PUT", "/upload/storage/v1/b/b/o?upload_id=1").proven
    for verb, address in (
        ("GET", "/b/a?Signature=0"),
        ("GET", f"/storage/v1/b/b/o?{SIGNED}"),
        ("GET", "/b/a?upload_id=1"),
        ("POST", "/b/a?uploads&upload_id=1"),
        ("DELETE", "/b/a?acl&upload_id=1"),
    ):
        assert not meant(verb, address).proven, address


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A strict local cloud with a bucket `theirs`, which READER may read, and `mine`, where he may write."""
    cloud = start_cloud(tmp_path_factory.mktemp("methods"), "--strict")
    for bucket, role in (("theirs", "objectViewer"), ("mine", "objectUser"), ("secret", "")):
        settings = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
        send(cloud, "POST", "/storage/v1/b?project=p", "local", json={"name": bucket, **settings})
        policy = {"bindings": [{"role": f"roles/storage.{role}", "members": [READER]}] if role else []}
        send(cloud, "PUT", f"/storage/v1/b/{bucket}/iam", "local", json=policy)
        for name in ("a", "b"):
            send(cloud, "PUT", f"/{bucket}/{name}", "local", data=b"kept")
    yield cloud
    cloud.stop()


def send(cloud: LocalCloud, verb: str, path: str, token: str = READER, **arguments: Any) -> requests.Response:
    """Send a request as somebody, as nobody without a token."""
    headers = {**arguments.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    return requests.request(verb, cloud.url + path, headers=headers, timeout=30, **arguments)


@pytest.mark.parametrize(
    ("verb", "path", "headers", "token"),
    [
        ("DELETE", "/storage/v1/b/theirs/o/a?alt=media", {}, READER),
        ("PATCH", "/storage/v1/b/theirs/o/a?alt=media", {}, READER),
        ("POST", "/storage/v1/b/theirs/o/a", {"X-HTTP-Method-Override": "DELETE"}, READER),
        ("DELETE", "/storage/v1/b/theirs/o/a?Signature=x", {}, ""),
        ("DELETE", "/theirs/a?Signature=x", {}, ""),
        ("GET", "/secret/a?x=X-Goog-Signature=", {}, ""),
        ("PUT", "/mine/copied", {"x-goog-copy-source": "/secret/a"}, READER),
        ("DELETE", "/theirs", {}, READER),
        ("PUT", "/new-bucket", {"x-goog-project-id": "p"}, READER),
        ("PUT", "/theirs/a?acl", {"x-goog-acl": "public-read"}, READER),
        ("POST", "/upload/storage/v1/b/theirs/o?uploadType=media&name=new&name=a", {}, READER),
    ],
)
def test_no_other_way_to_say_it_gets_past_strict_mode(
    cloud: LocalCloud, verb: str, path: str, headers: dict[str, str], token: str
) -> None:
    """Refused, and nothing has happened, whatever a request looks like besides."""
    arguments = {"json": {"metadata": {"k": "v"}}} if verb == "PATCH" else {}
    assert send(cloud, verb, path, token, headers=headers, **arguments).status_code in {401, 403}
    kept = send(cloud, "GET", "/storage/v1/b/theirs/o/a", "local").json()
    assert (kept["metageneration"], "metadata" in kept) == ("1", False)


def test_the_name_that_is_written_is_the_one_that_is_asked_about(cloud: LocalCloud) -> None:
    """An upload's name may stand in its metadata, which come later than its address."""
    policy = {"bindings": [{"role": "roles/storage.objectCreator", "members": [READER]}]}
    send(cloud, "PUT", "/storage/v1/b/secret/iam", "local", json=policy)
    parts = '{"name": "a"}', "over"
    body = "".join(f"--B\r\nContent-Type: application/json\r\n\r\n{part}\r\n" for part in parts) + "--B--"
    path, related = "/upload/storage/v1/b/secret/o?uploadType=multipart&name=new", "multipart/related; boundary=B"
    refused = send(cloud, "POST", path, headers={"Content-Type": related}, data=body)
    assert (refused.status_code, "storage.objects.delete" in refused.text) == (403, True)


def test_the_address_of_a_begun_upload_needs_no_token(cloud: LocalCloud) -> None:
    """Whoever may begin an upload can give its address to somebody who may not, as on the service."""
    begun = send(cloud, "POST", "/upload/storage/v1/b/mine/o?uploadType=resumable&name=sent", json={})
    assert requests.put(begun.headers["location"], data=b"sent", timeout=30).json()["size"] == "4"


def test_the_generation_that_is_copied_is_the_one_that_is_asked_about(cloud: LocalCloud) -> None:
    """What lets somebody read the live one says nothing of another."""
    send(cloud, "POST", "/storage/v1/b?project=p", "local", json={"name": "lists", "versioning": {"enabled": True}})
    path = "/upload/storage/v1/b/lists/o?uploadType=media&name=a&predefinedAcl="
    old = send(cloud, "POST", path + "private", "local", data=b"hidden").json()["generation"]
    send(cloud, "POST", path + "publicRead", "local", data=b"shown")
    copy = "/storage/v1/b/lists/o/a/rewriteTo/b/mine/o/copied"
    assert send(cloud, "POST", f"{copy}?sourceGeneration={old}", json={}).status_code == 403
    assert send(cloud, "POST", copy, json={}).status_code == 200
