"""Encryption keys of the caller's own: who has not the key has not the object, by any way of reading."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

KEY, OTHER = b"k" * 32, b"o" * 32
CONTENT = bytes(range(256)) * 3000
ENCRYPTED = "The target object is encrypted by a customer-supplied encryption key"


def headers(given: bytes = KEY, changed: dict[str, str] | None = None) -> dict[str, str]:
    """Return the headers of a key, some of them changed."""
    parts = {
        "algorithm": "AES256",
        "key": base64.b64encode(given).decode(),
        "key-sha256": base64.b64encode(hashlib.sha256(given).digest()).decode(),
    }
    return {f"x-goog-encryption-{name}": text for name, text in {**parts, **(changed or {})}.items()}


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> Iterator[storage.Bucket]:
    """A bucket of Google's storage client."""
    client = storage_client(local_cloud)
    yield new_bucket(client)
    client.close()


def test_what_is_written_with_a_key_is_read_with_the_same_only(bucket: storage.Bucket) -> None:
    """In one request and in chunks; without the key, with another one, with one that was not used: refused."""
    written = bucket.blob("one", encryption_key=KEY)
    written.upload_from_string(CONTENT)
    chunked = bucket.blob("chunked", encryption_key=KEY, chunk_size=256 * 1024)
    chunked.upload_from_file(io.BytesIO(CONTENT), checksum="crc32c")
    bucket.blob("plain").upload_from_string("open")
    for name in ("one", "chunked"):
        assert bucket.blob(name, encryption_key=KEY).download_as_bytes() == CONTENT
        assert bucket.blob(name, encryption_key=KEY).download_as_bytes(start=1, end=3) == CONTENT[1:4]
        with pytest.raises(BadRequest, match=ENCRYPTED):
            bucket.blob(name).download_as_bytes()
        with pytest.raises(BadRequest, match="encryption key is incorrect"):
            bucket.blob(name, encryption_key=OTHER).download_as_bytes()
    with pytest.raises(BadRequest, match="is not encrypted by a customer-supplied"):
        bucket.blob("plain", encryption_key=KEY).download_as_bytes()


def test_metadata_is_open_and_checksums_are_not(bucket: storage.Bucket) -> None:
    """Everybody sees that there is a key, and which by its hash; listing and changing metadata need none."""
    blob = bucket.blob("described", encryption_key=KEY)
    blob.upload_from_string("content")
    assert blob.crc32c
    seen = bucket.get_blob("described")
    assert seen._properties["customerEncryption"] == {
        "encryptionAlgorithm": "AES256",
        "keySha256": base64.b64encode(hashlib.sha256(KEY).digest()).decode(),
    }
    assert (seen.crc32c, seen.md5_hash) == (None, None)
    assert bucket.get_blob("described", encryption_key=KEY).md5_hash
    assert [one.crc32c for one in bucket.list_blobs(prefix="described")] == [None]
    seen.metadata = {"a": "b"}
    seen.patch()
    assert bucket.blob("described", encryption_key=KEY).download_as_bytes() == b"content"


def test_copies_have_the_key_that_they_are_given(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A rewrite reads by the source's key and writes by its own, or by none; a join needs one key for all."""
    source = bucket.blob("source", encryption_key=KEY)
    source.upload_from_string("content")
    with pytest.raises(BadRequest, match=ENCRYPTED):
        bucket.blob("copy").rewrite(bucket.blob("source"))
    bucket.blob("rotated", encryption_key=OTHER).rewrite(source)
    assert bucket.blob("rotated", encryption_key=OTHER).download_as_bytes() == b"content"
    bucket.blob("opened").rewrite(source)
    assert bucket.blob("opened").download_as_bytes() == b"content"
    for second, status in (("source", 200), ("rotated", 400)):
        body = {"sourceObjects": [{"name": "source"}, {"name": second}]}
        path = f"/storage/v1/b/{bucket.name}/o/joined/compose"
        assert call(local_cloud, "POST", path, headers=headers(), json=body).status_code == status
    assert bucket.blob("joined", encryption_key=KEY).download_as_bytes() == b"contentcontent"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (headers(changed={"algorithm": "DES"}), "customerEncryptionAlgorithmIsInvalid"),
        (headers(b"short"), "customerEncryptionKeyFormatIsInvalid"),
        (headers(changed={"key": "?"}), "customerEncryptionKeyFormatIsInvalid"),
        (headers(changed={"key-sha256": "AAAA"}), "customerEncryptionKeySha256IsInvalid"),
        ({"x-goog-encryption-key": "AAAA"}, "customerEncryptionAlgorithmIsInvalid"),
    ],
)
def test_what_is_no_key_is_refused_by_its_part(
    local_cloud: LocalCloud, bucket: storage.Bucket, sent: dict[str, str], reason: str
) -> None:
    """Algorithm, 32 bytes in base64, and their SHA-256, each under the service's reason."""
    for verb, path in (
        ("POST", f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x"),
        ("GET", _place(bucket)),
    ):
        error = call(local_cloud, verb, path, headers=sent).json()["error"]
        assert (error["code"], error["errors"][0]["reason"]) == (400, reason)


def _place(bucket: storage.Bucket) -> str:
    if not bucket.blob("plain").exists():
        bucket.blob("plain").upload_from_string("open")
    return f"/storage/v1/b/{bucket.name}/o/plain?alt=media"


def test_the_xml_api_keeps_keys_too(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """PUT and GET take the same headers and tell of the key in theirs; parts take the key of their beginning."""
    path = f"/{bucket.name}/by-xml"
    made = call(local_cloud, "PUT", path, headers=headers(), data=b"content")
    assert made.headers["x-goog-encryption-algorithm"] == "AES256"
    read = call(local_cloud, "GET", path, headers=headers())
    assert (read.content, read.headers["x-goog-encryption-key-sha256"]) == (
        b"content",
        headers()["x-goog-encryption-key-sha256"],
    )
    refused = call(local_cloud, "GET", path)
    assert (refused.status_code, ENCRYPTED in refused.text) == (400, True)


def test_services_cannot_read_what_has_a_key(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """A model whose files are encrypted so cannot be uploaded: the service has no key."""
    bucket.blob("m/saved_model.pb", encryption_key=KEY).upload_from_string("x")
    model: dict[str, Any] = {"displayName": "m", "artifactUri": f"gs://{bucket.name}/m"}
    body = json.dumps({"model": {**model, "containerSpec": {"imageUri": "i"}}})
    path = "/aiplatform/v1/projects/p/locations/us-central1/models:upload"
    assert ENCRYPTED in call(local_cloud, "POST", path, data=body).json()["error"]["message"]
