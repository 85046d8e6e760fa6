"""Preconditions: a stale generation, metageneration or etag stops every method, whichever API it comes by."""

from typing import Any

import pytest

from tests.cloud import LocalCloud
from tests.storage import call

BUCKET = "conditions-bucket"
O = f"/storage/v1/b/{BUCKET}/o"  # noqa: E741 - as the API writes it


@pytest.fixture(scope="module")
def stored(local_cloud: LocalCloud) -> dict[str, Any]:
    """An object with metageneration 2."""
    call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": BUCKET})
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a"
    call(local_cloud, "POST", path, data=b"content").raise_for_status()
    return dict(call(local_cloud, "PATCH", f"{O}/a?projection=noAcl", json={"metadata": {"k": "v"}}).json())


METHODS = [
    ("GET", f"{O}/a", {}),
    ("GET", f"{O}/a?alt=media", {}),
    ("PATCH", f"{O}/a", {"json": {}}),
    ("PUT", f"{O}/a", {"json": {}}),
    ("DELETE", f"{O}/a", {}),
    ("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a", {"data": b"new"}),
    ("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=a", {"json": {}}),
    ("POST", f"{O}/a/copyTo/b/{BUCKET}/o/a", {"json": {}}),
    ("POST", f"{O}/a/rewriteTo/b/{BUCKET}/o/a", {"json": {}}),
    ("POST", f"{O}/a/compose", {"json": {"sourceObjects": [{"name": "a"}]}}),
]


@pytest.mark.parametrize("stale", ["ifGenerationMatch=1", "ifMetagenerationMatch=1"])
@pytest.mark.parametrize(("verb", "path", "body"), METHODS)
def test_a_stale_number_is_refused(
    local_cloud: LocalCloud, stored: dict[str, Any], verb: str, path: str, body: Any, stale: str
) -> None:
    """Every method of the JSON API answers 412 and changes nothing."""
    answer = call(local_cloud, verb, f"{path}{'&' if '?' in path else '?'}{stale}", **body)
    assert answer.status_code == 412
    assert answer.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
    assert call(local_cloud, "GET", f"{O}/a").json() == stored


@pytest.mark.parametrize(("verb", "path", "body"), METHODS)
def test_a_stale_etag_is_refused(
    local_cloud: LocalCloud, stored: dict[str, Any], verb: str, path: str, body: Any
) -> None:
    """If-Match with another etag is a 412 on every method."""
    assert call(local_cloud, verb, path, headers={"If-Match": '"CAE="'}, **body).status_code == 412
    assert call(local_cloud, "GET", f"{O}/a").json() == stored


@pytest.mark.parametrize("path", [f"{O}/a", f"{O}/a?alt=media", f"/{BUCKET}/a"])
def test_reads_know_what_the_client_has(local_cloud: LocalCloud, stored: dict[str, Any], path: str) -> None:
    """The present etag, or the object's own time, is a 304; another etag is no obstacle."""
    for known in (stored["etag"], f'"{stored["etag"]}"', f'"x", "{stored["etag"]}"', "*"):
        assert call(local_cloud, "GET", path, headers={"If-None-Match": known}).status_code == 304
    assert call(local_cloud, "GET", path, headers={"If-None-Match": '"x"'}).status_code == 200
    assert call(local_cloud, "GET", path, headers={"If-Match": stored["etag"]}).status_code == 200
    separator = "&" if "?" in path else "?"
    same = f"{path}{separator}ifGenerationNotMatch={stored['generation']}"
    assert call(local_cloud, "GET", same).status_code == 304


def test_the_xml_api_has_its_headers(local_cloud: LocalCloud, stored: dict[str, Any]) -> None:
    """x-goog-if-… headers, etags and times hold for GET, PUT and DELETE; refusals are XML."""
    path = f"/{BUCKET}/a"
    for name in ("x-goog-if-generation-match", "x-goog-if-metageneration-match"):
        for verb in ("GET", "PUT", "DELETE"):
            answer = call(local_cloud, verb, path, headers={name: "1"}, data=b"" if verb == "PUT" else None)
            assert (answer.status_code, "PreconditionFailed" in answer.text) == (412, True)
    assert call(local_cloud, "DELETE", path, headers={"If-Match": '"x"'}).status_code == 412
    assert call(local_cloud, "PUT", path, headers={"If-None-Match": "*"}, data=b"").status_code == 412
    modified = call(local_cloud, "HEAD", path).headers["last-modified"]
    assert call(local_cloud, "GET", path, headers={"If-Modified-Since": modified}).status_code == 304
    assert call(local_cloud, "GET", path, headers={"If-Unmodified-Since": modified}).status_code == 200
    long_ago = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert call(local_cloud, "GET", path, headers={"If-Modified-Since": long_ago}).status_code == 200
    assert call(local_cloud, "GET", path, headers={"If-Unmodified-Since": long_ago}).status_code == 412
    assert call(local_cloud, "GET", f"{O}/a").json() == stored


def test_buckets_have_etags_too(local_cloud: LocalCloud) -> None:
    """A bucket's stale etag stops a change, and the present one answers a read with 304."""
    path = "/storage/v1/b/conditions-etag-bucket"
    made = call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": "conditions-etag-bucket"}).json()
    assert call(local_cloud, "GET", path, headers={"If-None-Match": made["etag"]}).status_code == 304
    for verb in ("PATCH", "PUT", "DELETE"):
        assert call(local_cloud, verb, path, json={}, headers={"If-Match": "x"}).status_code == 412
    assert call(local_cloud, "PATCH", path, json={}, headers={"If-Match": made["etag"]}).status_code == 200
    assert call(local_cloud, "DELETE", path, headers={"If-Match": made["etag"]}).status_code == 412
