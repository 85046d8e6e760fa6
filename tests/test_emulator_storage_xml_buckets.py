"""Buckets and access lists through the XML API."""

import itertools

import pytest
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

PROJECT = {"x-goog-project-id": "xml-project"}
PLACE = "<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint><StorageClass>NEARLINE</StorageClass>"
ENTRY = "<Entry><Permission>{}</Permission><Scope type='{}'>{}</Scope></Entry>"

_numbers = itertools.count(1)


def named() -> str:
    """Return a name for a bucket that nobody else has."""
    return f"xml-bucket-{next(_numbers)}"


def code(text: str) -> str:
    """Return the name of a refusal."""
    return text.partition("<Code>")[2].partition("<")[0]


def test_a_bucket_is_made_listed_and_removed(local_cloud: LocalCloud) -> None:
    """PUT with place and class, `GET /` with the project's header, DELETE once it is empty; each refusal has a name."""
    name = named()
    body = f"{PLACE}</CreateBucketConfiguration>"
    made = call(local_cloud, "PUT", f"/{name}", headers={**PROJECT, "x-goog-acl": "private"}, data=body)
    assert made.status_code == 200
    bucket = storage_client(local_cloud).get_bucket(name)
    assert (bucket.location, bucket.storage_class, len(list(bucket.acl))) == ("EU", "NEARLINE", 1)
    listed = call(local_cloud, "GET", "/", headers=PROJECT).text
    assert f"<Bucket><Name>{name}</Name><CreationDate>" in listed
    assert call(local_cloud, "HEAD", f"/{name}").status_code == 200
    again = call(local_cloud, "PUT", f"/{name}", headers=PROJECT)
    assert (again.status_code, code(again.text)) == (409, "BucketAlreadyOwnedByYou")
    other = call(local_cloud, "PUT", f"/{name}", headers={"x-goog-project-id": "other-project"})
    assert (other.status_code, code(other.text)) == (409, "BucketNameUnavailable")
    bucket.blob("a").upload_from_string("a")
    full = call(local_cloud, "DELETE", f"/{name}")
    assert (full.status_code, code(full.text)) == (409, "BucketNotEmpty")
    bucket.blob("a").delete()
    stale = call(local_cloud, "DELETE", f"/{name}", headers={"x-goog-if-metageneration-match": "7"})
    assert (stale.status_code, code(stale.text)) == (412, "PreconditionFailed")
    assert call(local_cloud, "DELETE", f"/{name}").status_code == 204
    assert call(local_cloud, "HEAD", f"/{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "body", "wanted"),
    [
        ("/xml-refused", {}, "", "InvalidArgument"),
        ("/xml-refused", PROJECT, "<Other/>", "MalformedXML"),
        ("/xml-refused", PROJECT, "<CreateBucketConfiguration>", "MalformedXML"),
        ("/X!", PROJECT, "", "InvalidBucketName"),
    ],
)
def test_what_is_no_bucket_is_not_made(
    local_cloud: LocalCloud, path: str, headers: dict[str, str], body: str, wanted: str
) -> None:
    """Without a project, with a body of another kind, under a name that no bucket can have."""
    refused = call(local_cloud, "PUT", path, headers=headers, data=body)
    assert (refused.status_code, code(refused.text)) == (400, wanted)
    assert call(local_cloud, "HEAD", "/xml-refused").status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/_local/clock", "/_local/x"])
def test_the_local_clouds_own_paths_are_no_buckets(local_cloud: LocalCloud, path: str) -> None:
    """Neither made nor read as one, whatever the verb."""
    assert call(local_cloud, "PUT", path, headers=PROJECT).status_code == 404
    assert call(local_cloud, "DELETE", "/_local/x").status_code == 404


@pytest.fixture
def blob(local_cloud: LocalCloud) -> storage.Blob:
    """An object in a bucket of its own."""
    blob = new_bucket(storage_client(local_cloud)).blob("dir/ü")
    blob.upload_from_string("x")
    return blob


def test_lists_are_read_and_written(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """A list that is sent back as it was read changes nothing; JSON and XML tell the same one."""
    for path, acl in ((f"/{blob.bucket.name}/dir/%C3%BC?acl", blob.acl), (f"/{blob.bucket.name}?acl", blob.bucket.acl)):
        text = call(local_cloud, "GET", path).text
        before = sorted((entry["entity"], entry["role"]) for entry in acl)
        assert call(local_cloud, "PUT", path, data=text.encode()).status_code == 200
        assert call(local_cloud, "GET", path).text == text
        ann = ENTRY.format("READ", "UserByEmail", "<EmailAddress>ann@example.com</EmailAddress>")
        more = text.replace("</Entries>", f"{ann}{ENTRY.format('READ', 'AllUsers', '')}</Entries>")
        assert call(local_cloud, "PUT", path, data=more.encode()).status_code == 200
        acl.reload()
        added = [("allUsers", "READER"), ("user-ann@example.com", "READER")]
        assert sorted((entry["entity"], entry["role"]) for entry in acl) == sorted([*before, *added])
        assert call(local_cloud, "PUT", path, headers={"x-goog-acl": "private"}).status_code == 200
        assert call(local_cloud, "GET", path).text.count("<Entry>") == 1


def test_lists_that_are_none_are_refused(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """No XML, another document, unknown words; and what an object's list cannot hold."""
    path = f"/{blob.bucket.name}/dir/%C3%BC?acl"
    documents = ["", "<a", "<Other/>", ENTRY.format("READ", "UserByEmail", ""), ENTRY.format("EAT", "AllUsers", "")]
    for entries in documents:
        whole = (
            entries
            if "Entry" not in entries
            else f"<AccessControlList><Entries>{entries}</Entries></AccessControlList>"
        )
        refused = call(local_cloud, "PUT", path, data=whole)
        assert (refused.status_code, code(refused.text)) == (400, "MalformedXML"), entries
    writer = ENTRY.format("WRITE", "AllUsers", "")
    whole = f"<AccessControlList><Entries>{writer}</Entries></AccessControlList>"
    assert call(local_cloud, "PUT", path, data=whole).status_code == 400
    assert call(local_cloud, "GET", path.replace("%C3%BC", "none")).status_code == 404
    uniform = new_bucket(storage_client(local_cloud))
    uniform.iam_configuration.uniform_bucket_level_access_enabled = True
    uniform.patch()
    refused = call(local_cloud, "GET", f"/{uniform.name}?acl")
    assert (refused.status_code, "uniform bucket-level access" in refused.text) == (400, True)


def test_refusals_of_bytes_have_names(local_cloud: LocalCloud, blob: storage.Blob) -> None:
    """A wrong checksum and a range outside of the object, as the service's page of error codes calls them."""
    path = f"/{blob.bucket.name}/dir/%C3%BC"
    for header in ({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"x-goog-hash": "crc32c=AAAAAA=="}):
        refused = call(local_cloud, "PUT", path, data=b"abc", headers=header)
        assert (refused.status_code, code(refused.text)) == (400, "BadDigest")
    outside = call(local_cloud, "GET", path, headers={"Range": "bytes=9-"})
    assert (outside.status_code, code(outside.text)) == (416, "InvalidRange")
    assert outside.headers["content-range"] == "bytes */1"
    assert code(call(local_cloud, "PUT", f"{path}?partNumber=1&uploadId=none", data=b"x").text) == "NoSuchUpload"
