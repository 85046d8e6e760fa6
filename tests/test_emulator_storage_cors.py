"""Pages of other origins: let in to objects as far as a bucket's own `cors` rules go, and nowhere else."""

from typing import Any

import pytest
import requests
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

PAGE, OTHER = "https://app.example.com", "https://other.example.com"
RULES = [
    {
        "origin": [PAGE],
        "method": ["GET", "PUT"],
        "responseHeader": ["content-type", "x-goog-meta-a"],
        "maxAgeSeconds": 60,
    },
    {"origin": ["*"], "method": ["HEAD"]},
]


@pytest.fixture
def bucket(local_cloud: LocalCloud) -> storage.Bucket:
    """A bucket with rules, and an object in it."""
    bucket = new_bucket(storage_client(local_cloud), cors=RULES)
    bucket.blob("a").upload_from_string("content")
    return bucket


def preflight(cloud: LocalCloud, path: str, method: str, origin: str = PAGE) -> requests.Response:
    """Ask as a browser does before it sends a page's request."""
    return call(cloud, "OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": method})


def crossing(answer: Any) -> dict[str, str]:
    """Return what an answer tells a browser about other origins."""
    return {name: text for name, text in answer.headers.items() if name.startswith("access-control-")}


def test_a_rule_lets_its_origin_in(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """On every path of an object's bytes; the first rule that matches origin and method is the one that answers."""
    told = {"access-control-allow-origin": PAGE, "access-control-expose-headers": "content-type, x-goog-meta-a"}
    resource = f"/storage/v1/b/{bucket.name}/o/a"
    for path in (f"/{bucket.name}/a", f"/download{resource}?alt=media", f"{resource}?alt=media"):
        answer = call(local_cloud, "GET", path, headers={"Origin": PAGE})
        assert (answer.text, crossing(answer), answer.headers["vary"]) == ("content", told, "Origin")
    put = call(local_cloud, "PUT", f"/{bucket.name}/b", data=b"x", headers={"Origin": PAGE})
    assert (put.status_code, crossing(put)) == (200, told)
    head = call(local_cloud, "HEAD", f"/{bucket.name}/a", headers={"Origin": OTHER})
    assert (head.status_code, crossing(head)) == (200, {"access-control-allow-origin": "*"})


def test_browsers_may_ask_first(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A preflight tells methods, headers and for how long."""
    for path in (f"/{bucket.name}/a", f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a"):
        answer = preflight(local_cloud, path, "PUT")
        assert answer.status_code == 200
        assert crossing(answer) == {
            "access-control-allow-origin": PAGE,
            "access-control-allow-methods": "GET, PUT",
            "access-control-allow-headers": "content-type, x-goog-meta-a",
            "access-control-max-age": "60",
        }


def test_no_rule_no_entry(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Other origins and methods, buckets without rules, the API, the local cloud's own paths: all stay closed."""
    closed = new_bucket(storage_client(local_cloud)).name
    for method, path, origin in (
        ("GET", f"/{bucket.name}/a", OTHER),
        ("DELETE", f"/{bucket.name}/a", PAGE),
        ("GET", f"/{closed}/a", PAGE),
        ("GET", f"/storage/v1/b/{bucket.name}/o/a", PAGE),
        ("GET", f"/storage/v1/b/{bucket.name}", PAGE),
        ("GET", "/_local/clock", PAGE),
        ("GET", "/healthz", PAGE),
    ):
        answer = call(local_cloud, method, path, headers={"Origin": origin})
        assert (answer.status_code, crossing(answer)) == (403, {}), path
        asked = preflight(local_cloud, path, method, origin)
        assert (asked.status_code, crossing(asked)) == (403, {}), path
    assert bucket.get_blob("a") is not None
    for name in ("batch", "upload", "storage"):  # whose addresses begin as other paths do
        wide = storage_client(local_cloud).bucket(name)
        wide.cors = [{"origin": ["*"], "method": ["*"]}]
        wide.create()
    for path in ("/b%61tch/storage/v1", f"/upl%6Fad/storage/v1/b/{closed}/o?uploadType=media&name=x", "/storage/x"):
        assert call(local_cloud, "POST", path, headers={"Origin": PAGE}).status_code == 403, path
    copy = {"Origin": PAGE, "x-goog-copy-source": f"/{closed}/secret"}
    assert call(local_cloud, "PUT", f"/{bucket.name}/copy", headers=copy).status_code == 403
    rebound = call(local_cloud, "GET", f"/{bucket.name}/a", headers={"Origin": PAGE, "Host": "app.example.com"})
    assert rebound.status_code == 403


def test_pages_of_this_machine_come_in_and_read_what_rules_allow(local_cloud: LocalCloud) -> None:
    """A page of a local server was never refused; its browser shows it the answer where a rule names its origin."""
    page = "http://localhost:3000"
    for rules, told in (([], {}), ([{"origin": [page], "method": ["GET"]}], {"access-control-allow-origin": page})):
        bucket = new_bucket(storage_client(local_cloud), cors=rules)
        bucket.blob("a").upload_from_string("x")
        answer = call(local_cloud, "GET", f"/{bucket.name}/a", headers={"Origin": page})
        assert (answer.text, crossing(answer)) == ("x", told)
