"""IAM policies of objects by Google's client: the same lists as their access control tells."""

from collections.abc import Callable

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound, PreconditionFailed
from google.api_core.iam import Policy
from google.cloud import storage

from tests.cloud import LocalCloud
from tests.storage import new_bucket, storage_client

READER, OWNER = "roles/storage.legacyObjectReader", "roles/storage.legacyObjectOwner"
ANN = "user:ann@example.com"


@pytest.fixture
def blob(local_cloud: LocalCloud) -> storage.Blob:
    """An object with a list."""
    blob = new_bucket(storage_client(local_cloud)).blob("a")
    blob.upload_from_string("x")
    return blob


def test_a_policy_is_the_list(blob: storage.Blob) -> None:
    """What either changes the other shows; the metageneration counts up, and the etag with it."""
    policy = blob.get_iam_policy()
    assert set(policy.keys()) == {READER, OWNER}
    policy[READER] = {*policy[READER], ANN}
    changed = blob.set_iam_policy(policy)
    assert ANN in changed[READER]
    blob.acl.reload()
    assert {"entity": "user-ann@example.com", "role": "READER"} in list(blob.acl)
    blob.reload()
    assert (blob.metageneration, changed.etag != policy.etag) == (2, True)
    blob.acl.all().grant_read()
    blob.acl.save()
    assert "allUsers" in blob.get_iam_policy()[READER]
    assert blob.test_iam_permissions(["storage.objects.get", "storage.objects.delete"]) == [
        "storage.objects.get",
        "storage.objects.delete",
    ]


def _stale(policy: Policy) -> None:
    policy.etag = "c3RhbGU="


def _role(policy: Policy) -> None:
    policy["roles/storage.objectViewer"] = {ANN}


def _member(policy: Policy) -> None:
    policy[READER] = {"principal://iam.googleapis.com/x"}


@pytest.mark.parametrize(
    ("spoil", "refusal"), [(_stale, PreconditionFailed), (_role, BadRequest), (_member, BadRequest)]
)
def test_what_is_no_list_is_refused(
    blob: storage.Blob, spoil: Callable[[Policy], None], refusal: type[GoogleAPICallError]
) -> None:
    """A stale etag, a role of buckets, a member that lists cannot name: nothing changes."""
    policy = blob.get_iam_policy()
    spoil(policy)
    with pytest.raises(refusal):
        blob.set_iam_policy(policy)
    assert blob.get_iam_policy().etag != "c3RhbGU="
    blob.reload()
    assert blob.metageneration == 1


def test_uniform_access_knows_no_policies_of_objects(blob: storage.Blob) -> None:
    """The service's words; what is not there is 404."""
    with pytest.raises(NotFound):
        blob.bucket.blob("none").get_iam_policy()
    blob.bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    blob.bucket.patch()
    with pytest.raises(BadRequest, match="Object policies are disabled for bucket"):
        blob.get_iam_policy()
