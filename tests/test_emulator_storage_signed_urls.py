"""Signed URLs made by Google's client: they work until they expire, by the local cloud's clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud import storage
from google.oauth2 import service_account

from tests.cloud import LocalCloud, start_cloud
from tests.storage import advance, call, new_bucket, storage_client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clock nobody else reads."""
    cloud = start_cloud(tmp_path_factory.mktemp("signed"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def blob(cloud: LocalCloud) -> storage.Blob:
    """An object, by a client that can sign."""
    blob = new_bucket(storage_client(cloud)).blob("dir/a b ü.txt")
    blob.upload_from_string("content")
    return blob


@pytest.fixture(scope="module")
def credentials() -> Any:
    """A service account with a key of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    info = {"private_key": pem, "client_email": "signer@p.iam.gserviceaccount.com", "token_uri": "http://127.0.0.1:1"}
    made = service_account.Credentials.from_service_account_info  # google-auth annotates half of itself
    return made(info)  # type: ignore[no-untyped-call]


def signed(blob: storage.Blob, cloud: LocalCloud, credentials: Any, **options: Any) -> str:
    """Sign a URL for the local cloud, by its clock."""
    options = {"version": "v4", "expiration": timedelta(minutes=10), **options}
    return str(blob.generate_signed_url(credentials=credentials, api_access_endpoint=cloud.url, **options))


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_signed_url_reads_and_writes_until_it_expires(
    blob: storage.Blob, cloud: LocalCloud, credentials: Any, version: str
) -> None:
    """Both versions' URLs work without any other credential; an expired one is the service's 400."""
    until = datetime.now(UTC) + timedelta(minutes=10)
    urls = {
        verb: signed(blob, cloud, credentials, version=version, method=verb, expiration=until)
        for verb in ("GET", "HEAD", "PUT")
    }
    assert requests.get(urls["GET"], timeout=30).content == b"content"
    assert requests.head(urls["HEAD"], timeout=30).headers["content-length"] == "7"
    assert requests.put(urls["PUT"], data=b"content", timeout=30).status_code == 200
    advance(cloud, minutes=11)
    expired = requests.get(urls["GET"], timeout=30)
    call(cloud, "POST", "/_local/clock", json={})
    assert expired.status_code == 400
    assert "<Code>ExpiredToken</Code>" in expired.text
    assert requests.get(urls["GET"], timeout=30).content == b"content"


def test_a_signed_url_can_begin_a_resumable_upload(blob: storage.Blob, cloud: LocalCloud, credentials: Any) -> None:
    """`x-goog-resumable: start` answers the address to which the bytes go."""
    target = blob.bucket.blob("uploaded")
    url = signed(target, cloud, credentials, method="RESUMABLE", content_type="text/plain")
    headers = {"x-goog-resumable": "start", "content-type": "text/plain"}
    begun = requests.post(url, headers=headers, timeout=30)
    assert begun.status_code == 201
    sent = requests.put(begun.headers["location"], data=b"resumed", timeout=30)
    assert (sent.status_code, sent.content) == (200, b"")
    found = blob.bucket.get_blob("uploaded")
    assert (found.content_type, found.download_as_bytes()) == ("text/plain", b"resumed")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("X-Goog-Expires", "604801", 400),
        ("X-Goog-Expires", "0", 400),
        ("X-Goog-Expires", "ten", 400),
        ("X-Goog-Date", "yesterday", 400),
        ("X-Goog-Date", "20990101T000000Z", 403),
        ("X-Goog-Algorithm", "MD5", 400),
        ("X-Goog-Credential", "", 400),
        ("X-Goog-SignedHeaders", "host;x-absent", 400),
    ],
)
def test_a_malformed_signature_is_refused(
    blob: storage.Blob, cloud: LocalCloud, credentials: Any, name: str, value: str, status: int
) -> None:
    """What cannot be a signed URL is refused in XML, whatever its signature."""
    address, _, query = signed(blob, cloud, credentials).partition("?")
    parameters = dict(pair.split("=", 1) for pair in query.split("&"))
    answer = requests.get(address, params={**parameters, name: value}, timeout=30)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/xml")
