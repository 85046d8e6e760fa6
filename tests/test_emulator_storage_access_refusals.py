"""What access lists cannot hold, and where there are none: refused in the service's words."""

from typing import Any

import pytest
from google.cloud import storage

from tests.access_lists import OWNERS, TEAMS, WRITER, entries, full, held
from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, reason, storage_client

UNIFORM = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
PREVENTED = {"iamConfiguration": {"publicAccessPrevention": "enforced"}}


@pytest.fixture
def bucket(local_cloud: LocalCloud) -> storage.Bucket:
    """A bucket whose access is fine-grained."""
    return new_bucket(storage_client(local_cloud))


def message(answer: Any) -> str:
    """Return a refusal's text."""
    return str(answer.json()["error"]["message"])


def test_what_no_list_can_hold_is_refused(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Unknown entities and roles, too many entries, a list beside a predefined one: in the service's words."""
    bucket.blob("a").upload_from_string("x")
    path = f"/storage/v1/b/{bucket.name}/o/a"
    for entry, why in (
        ({"entity": "ann@example.com", "role": "READER"}, 'Scope text "ann@example.com" is not valid.'),
        ({"entity": "allUsers", "role": "WRITER"}, "Invalid value for: WRITER is not a valid value"),
        ({"entity": "allUsers", "role": "reader"}, "Invalid value for: reader is not a valid value"),
        ({"entity": "allUsers"}, "Access control must contain a role"),
        ({"role": "READER"}, "Required parameter: entity"),
    ):
        one = call(local_cloud, "POST", f"{path}/acl", json=entry)
        whole = call(local_cloud, "PATCH", path, json={"acl": [entry]})
        assert [(answer.status_code, message(answer)) for answer in (one, whole)] == [(400, why)] * 2
    many = [{"entity": f"user-{number}@example.com", "role": "READER"} for number in range(101)]
    refused = call(local_cloud, "PATCH", path, json={"acl": many})
    assert (refused.status_code, reason(refused)) == (400, "tooManyAccessControlEntries")
    both = call(local_cloud, "PATCH", f"{path}?predefinedAcl=private", json={"acl": many[:1]})
    assert (both.status_code, message(both)) == (409, "Cannot provide both a predefinedAcl and access controls.")
    unnamed = call(local_cloud, "POST", f"/upload{path[:-2]}?uploadType=media&name=b&predefinedAcl=x", data=b"x")
    assert (unnamed.status_code, reason(unnamed)) == (400, "invalidParameter")
    assert call(local_cloud, "PATCH", path, json={"acl": []}).json()["metageneration"] == "2"
    assert entries(full(local_cloud, f"{bucket.name}/o/a")) == {**TEAMS, WRITER: "OWNER"}


def test_owners_stay_owners(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Who uploaded an object, and a bucket's project, keep OWNER: left out they come back, demoted is a 403."""
    bucket.blob("a").upload_from_string("x")
    reader = {"entity": "allUsers", "role": "READER"}
    for place, owner in ((f"{bucket.name}/o/a", WRITER), (bucket.name, OWNERS)):
        path = f"/storage/v1/b/{place}"
        left_out = call(local_cloud, "PATCH", path, json={"acl": [reader]}).json()
        assert entries(left_out) == {"allUsers": "READER", owner: "OWNER"}
        demoted = {"entity": owner, "role": "READER"}
        for answer in (
            call(local_cloud, "PATCH", path, json={"acl": [demoted]}),
            call(local_cloud, "POST", f"{path}/acl", json=demoted),
            call(local_cloud, "DELETE", f"{path}/acl/{owner}"),
        ):
            assert answer.status_code == 403
            assert message(answer) == "The owner of the resource is required to have OWNER access."


def test_uniform_access_knows_no_lists(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Every call that reads or gives one is a 400 in the service's words; once it is off again, lists are back."""
    bucket.blob("a").upload_from_string("x", predefined_acl="publicRead")
    name = bucket.name
    call(local_cloud, "PATCH", f"/storage/v1/b/{name}", json=UNIFORM).raise_for_status()
    entry = {"entity": "allUsers", "role": "READER"}
    upload = f"/upload/storage/v1/b/{name}/o?uploadType=media&name=b&predefinedAcl=projectPrivate"
    made = {"name": f"{name}-uniform", **UNIFORM}
    to_bucket = "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
    for verb, path, body, why in (
        ("GET", f"b/{name}/acl", None, "Cannot get legacy ACL for a bucket that has uniform bucket-level access."),
        ("GET", f"b/{name}/o/a/acl", None, "Cannot get legacy ACL for an object when uniform bucket-level access is"),
        ("POST", f"b/{name}/acl", entry, to_bucket),
        ("POST", f"b/{name}/defaultObjectAcl", entry, to_bucket),
        ("PATCH", f"b/{name}?predefinedAcl=private", {}, to_bucket),
        ("PATCH", f"b/{name}", {"defaultObjectAcl": [entry]}, to_bucket),
        ("POST", "b?project=p&predefinedAcl=private", made, to_bucket),
        ("POST", f"b/{name}/o/a/acl", entry, "Cannot insert legacy ACL for an object when uniform bucket-level"),
        ("DELETE", f"b/{name}/o/a/acl/allUsers", None, "Cannot update access control for an object when uniform"),
        ("PATCH", f"b/{name}/o/a", {"acl": [entry]}, "Cannot update access control for an object when uniform"),
    ):
        answer = call(local_cloud, verb, f"/storage/v1/{path}", json=body)
        assert (answer.status_code, reason(answer)) == (400, "invalid"), path
        assert message(answer).startswith(why), path
        assert message(answer).endswith("https://cloud.google.com/storage/docs/uniform-bucket-level-access")
    answer = call(local_cloud, "POST", upload, data=b"x")
    assert message(answer).startswith("Cannot insert legacy ACL for an object when uniform bucket-level access is")
    assert not {"acl", "owner"} & full(local_cloud, f"{name}/o/a").keys()
    assert not {"acl", "defaultObjectAcl", "owner"} & full(local_cloud, name).keys()
    fine = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}
    call(local_cloud, "PATCH", f"/storage/v1/b/{name}", json=fine).raise_for_status()
    assert entries(full(local_cloud, f"{name}/o/a")) == {WRITER: "OWNER", "allUsers": "READER"}


def test_public_access_prevention_refuses_public_grants(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """By list, predefined list and policy alike: 412, and nothing is changed."""
    bucket.blob("a").upload_from_string("x")
    bucket.iam_configuration.public_access_prevention = "enforced"
    bucket.patch()
    path = f"/storage/v1/b/{bucket.name}"
    entry = {"entity": "allAuthenticatedUsers", "role": "READER"}
    made = {"name": "pap", **PREVENTED}
    viewer = {"role": "roles/storage.objectViewer", "members": ["allUsers"]}
    for answer in (
        call(local_cloud, "POST", f"{path}/o/a/acl", json=entry),
        call(local_cloud, "POST", f"{path}/defaultObjectAcl", json=entry),
        call(local_cloud, "PATCH", path, json={"acl": [entry]}),
        call(local_cloud, "PATCH", f"{path}?predefinedAcl=publicRead", json={}),
        call(local_cloud, "PUT", f"{path}/iam", json={"bindings": [viewer]}),
        call(local_cloud, "POST", f"/upload{path}/o?uploadType=media&name=b&predefinedAcl=publicRead", data=b"x"),
        call(local_cloud, "POST", "/storage/v1/b?project=p&predefinedAcl=publicRead", json=made),
    ):
        assert (answer.status_code, reason(answer)) == (412, "conditionNotMet")
        assert message(answer).startswith("The member bindings allUsers and allAuthenticatedUsers are not allowed")
    assert bucket.get_blob("b") is None
    assert not storage_client(local_cloud).bucket("pap").exists()
    assert held(bucket.acl) == TEAMS
