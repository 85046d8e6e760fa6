"""Access lists of buckets and objects, changed as Google's clients and plain requests change them."""

import json

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.access_lists import NUMBER, OWNERS, TEAMS, VIEWERS, WRITER, entries, full, held
from tests.cloud import LocalCloud
from tests.google import build
from tests.storage import call, new_bucket, reason, storage_client

ON_OBJECTS = {
    "authenticatedRead": {"allAuthenticatedUsers": "READER"},
    "bucketOwnerFullControl": {OWNERS: "OWNER"},
    "bucketOwnerRead": {OWNERS: "READER"},
    "private": {},
    "projectPrivate": TEAMS,
    "publicRead": {"allUsers": "READER"},
}
ON_BUCKETS = {
    "authenticatedRead": {OWNERS: "OWNER", "allAuthenticatedUsers": "READER"},
    "private": {OWNERS: "OWNER"},
    "projectPrivate": TEAMS,
    "publicRead": {OWNERS: "OWNER", "allUsers": "READER"},
    "publicReadWrite": {OWNERS: "OWNER", "allUsers": "WRITER"},
}


@pytest.fixture
def bucket(local_cloud: LocalCloud) -> storage.Bucket:
    """A bucket whose access is fine-grained."""
    return new_bucket(storage_client(local_cloud))


def test_an_object_becomes_public_and_private_again(bucket: storage.Bucket) -> None:
    """`make_public` adds allUsers, `make_private` removes it; each is one metageneration, and the owner stays."""
    blob = bucket.blob("a/ü b")
    blob.upload_from_string("x")
    assert blob.acl.has_entity("allUsers") is False
    blob.make_public()
    assert held(blob.acl) == {**TEAMS, WRITER: "OWNER", "allUsers": "READER"}
    blob.reload()
    assert (blob.metageneration, blob.owner) == (2, None)
    blob.reload(projection="full")
    assert blob.owner == {"entity": WRITER}
    etag = blob.etag
    blob.make_private()
    assert held(blob.acl) == {**TEAMS, WRITER: "OWNER"}
    blob.reload()
    assert blob.metageneration == 3
    assert blob.etag != etag
    with pytest.raises(exceptions.PreconditionFailed):
        blob.make_public(if_metageneration_match=2)


def test_people_are_named_as_the_service_keeps_them(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Addresses in lower case, projects by number; an entry tells all that the discovery document has of it."""
    blob = bucket.blob("a/b")
    blob.upload_from_string("x")
    blob.acl.user("Ann@Example.com").grant_owner()
    blob.acl.group("team@example.com").grant_read()
    blob.acl.domain("Example.com").grant_read()
    blob.acl.entity("project", "viewers-my-project").grant_read()
    blob.acl.all_authenticated().grant_read()
    blob.acl.save()
    granted = {"user-ann@example.com": "OWNER", "group-team@example.com": "READER", "domain-example.com": "READER"}
    assert held(blob.acl) == {**TEAMS, WRITER: "OWNER", **granted, "allAuthenticatedUsers": "READER"}
    blob.reload()
    path = f"/storage/v1/b/{bucket.name}/o/a%2Fb/acl/user-ann@example.com"
    assert call(local_cloud, "GET", path).json() == {
        "kind": "storage#objectAccessControl",
        "id": f"{bucket.name}/a/b/{blob.generation}/user-ann@example.com",
        "selfLink": f"{local_cloud.url}{path}?generation={blob.generation}",
        "bucket": bucket.name,
        "object": "a/b",
        "generation": str(blob.generation),
        "entity": "user-ann@example.com",
        "role": "OWNER",
        "email": "ann@example.com",
        "etag": blob.etag,
    }
    assert call(local_cloud, "GET", path.replace("user-ann@", "domain-")).json()["domain"] == "example.com"
    team = call(local_cloud, "GET", path.replace("user-ann@example.com", VIEWERS)).json()["projectTeam"]
    assert team == {"projectNumber": NUMBER, "team": "viewers"}


def test_a_buckets_list_is_its_policys_legacy_roles(bucket: storage.Bucket) -> None:
    """What the list grants stands in the policy under a new etag, and what the policy grants in the list."""
    before = bucket.get_iam_policy(requested_policy_version=3)
    assert held(bucket.acl) == TEAMS
    bucket.acl.all().grant_read()
    bucket.acl.user("robot@p.iam.gserviceaccount.com").grant_write()
    bucket.acl.save()
    bucket.reload()
    assert bucket.metageneration == 2
    policy = bucket.get_iam_policy(requested_policy_version=3)
    bound = {binding["role"].rpartition(".")[2]: set(binding["members"]) for binding in policy.bindings}
    assert bound == {
        "legacyBucketOwner": {f"projectOwner:{NUMBER}", f"projectEditor:{NUMBER}"},
        "legacyBucketWriter": {"serviceAccount:robot@p.iam.gserviceaccount.com"},
        "legacyBucketReader": {f"projectViewer:{NUMBER}", "allUsers"},
    }
    assert policy.etag != before.etag
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(before)
    pool = "principalSet://iam.googleapis.com/pool/x"  # whom no list can name
    policy.bindings = [
        {"role": "roles/storage.legacyBucketOwner", "members": {f"projectOwner:{NUMBER}"}},
        {"role": "roles/storage.legacyBucketReader", "members": {"group:g@example.com", pool}},
        {"role": "roles/storage.objectViewer", "members": {"allUsers"}},
    ]
    bucket.set_iam_policy(policy)
    assert held(bucket.acl) == {OWNERS: "OWNER", "group-g@example.com": "READER"}
    bucket.acl.save_predefined("private")
    left = {(binding["role"], *binding["members"]) for binding in bucket.get_iam_policy().bindings}
    owners = ("roles/storage.legacyBucketOwner", f"projectOwner:{NUMBER}")
    assert left == {
        owners,
        ("roles/storage.legacyBucketReader", pool),
        ("roles/storage.objectViewer", "allUsers"),
    }


def test_new_objects_get_the_buckets_default_list(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Those that are there keep theirs; copies and composed objects get the default too, never the source's."""
    old = bucket.blob("old")
    old.upload_from_string("x")
    bucket.make_public(future=True)
    assert held(bucket.default_object_acl) == {**TEAMS, "allUsers": "READER"}
    bucket.reload()
    assert bucket.metageneration == 3
    new, composed = bucket.blob("new"), bucket.blob("composed")
    new.upload_from_string("x")
    composed.compose([old, new])
    for blob in (new, composed, bucket.copy_blob(old, bucket, "copy")):
        assert held(blob.acl) == {**TEAMS, "allUsers": "READER", WRITER: "OWNER"}
    assert held(old.acl) == {**TEAMS, WRITER: "OWNER"}
    bucket.default_object_acl.save_predefined("private")
    assert "items" not in call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/defaultObjectAcl").json()
    assert held(bucket.copy_blob(new, bucket, "own").acl) == {WRITER: "OWNER"}
    told = full(local_cloud, bucket.name)
    assert (entries(told), entries(told, "defaultObjectAcl")) == ({**TEAMS, "allUsers": "READER"}, {})
    assert told["owner"] == {"entity": OWNERS}


@pytest.mark.parametrize("name", sorted({*ON_OBJECTS, *ON_BUCKETS}))
def test_predefined_lists_are_those_of_the_discovery_document(
    local_cloud: LocalCloud, bucket: storage.Bucket, name: str
) -> None:
    """On buckets, new objects, uploads, patches, rewrites and composed objects; a name that is none there is a 400."""
    made = f"{bucket.name}-{name.lower()}"
    created = call(local_cloud, "POST", f"/storage/v1/b?project=p&predefinedAcl={name}", json={"name": made})
    known = [(created, made, ON_BUCKETS.get(name))]
    wanted = {**ON_OBJECTS[name], WRITER: "OWNER"} if name in ON_OBJECTS else None
    upload = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a&projection=full"
    objects = f"/storage/v1/b/{bucket.name}/o"
    known += [(call(local_cloud, "POST", f"{upload}&predefinedAcl={name}", data=b"x"), "a", wanted)]
    call(local_cloud, "POST", upload, data=b"x").raise_for_status()
    source = {"sourceObjects": [{"name": "a"}]}
    asked = f"destinationPredefinedAcl={name}"
    for target, path, body in (
        ("b", f"{objects}/a/rewriteTo/b/{bucket.name}/o/b?{asked}", {}),
        ("c", f"{objects}/c/compose?{asked}", source),
        ("d", f"{objects}/a/copyTo/b/{bucket.name}/o/d?{asked}", {}),
    ):
        known.append((call(local_cloud, "POST", path, json=body), target, wanted))
    known.append((call(local_cloud, "PATCH", f"{objects}/a?predefinedAcl={name}", json={}), "a", wanted))
    for answer, target, want in known:
        assert answer.status_code == (400 if want is None else 200), answer.text
        if want is not None:
            place = target if target == made else f"{bucket.name}/o/{target}"
            assert entries(answer.json() if target == "a" else full(local_cloud, place)) == want


def test_entries_change_one_by_one(local_cloud: LocalCloud) -> None:
    """Insert, patch and update give a role to whomever they name, delete takes it; each counts as one change."""
    with build(local_cloud, "storage", "v1") as api:
        for lists, path in (
            (api.bucketAccessControls(), "acl"),
            (api.defaultObjectAccessControls(), "defaultObjectAcl"),
            (api.objectAccessControls(), "o/a/acl"),
        ):
            bucket = new_bucket(storage_client(local_cloud))
            bucket.blob("a").upload_from_string("x")
            about = {"bucket": bucket.name, **({"object": "a"} if "/" in path else {})}
            made = lists.insert(**about, body={"entity": "user-Ann@example.com", "role": "READER"}).execute()
            named = (made["entity"], made["role"], made["email"])
            assert named == ("user-ann@example.com", "READER", "ann@example.com")
            assert lists.get(**about, entity="user-ANN@example.com").execute() == made
            one = {**about, "entity": "user-ann@example.com"}
            assert lists.patch(**one, body={"role": "OWNER"}).execute()["role"] == "OWNER"
            assert lists.patch(**one, body={}).execute()["role"] == "OWNER"
            assert lists.update(**about, entity="allUsers", body={"role": "READER"}).execute()["role"] == "READER"
            listed = lists.list(**about).execute()
            assert listed["kind"] == made["kind"] + "s"
            assert {"user-ann@example.com": "OWNER", "allUsers": "READER"}.items() <= entries(listed).items()
            assert lists.delete(**one).execute() == ""
            assert "user-ann@example.com" not in entries(lists.list(**about).execute())
            place = f"{bucket.name}/{path.removesuffix('/acl')}" if "/" in path else bucket.name
            assert full(local_cloud, place)["metageneration"] == "6"
            missing = call(local_cloud, "DELETE", f"/storage/v1/b/{bucket.name}/{path}/user-ann@example.com")
            assert (missing.status_code, reason(missing)) == (404, "notFound")


def test_lists_are_told_where_they_are_asked_for(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """`projection=full` tells them; unasked, changes and uploads that send a list do, and no other call."""
    name = bucket.name
    entry = {"entity": "user-ann@example.com", "role": "READER"}
    made = call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": f"{name}-listed", "acl": [entry]}).json()
    assert entries(made) == {"user-ann@example.com": "READER", OWNERS: "OWNER"}
    bucket.blob("plain").upload_from_string("x")
    described = json.dumps({"name": "listed", "acl": [entry]})
    parts = f"--b\r\nContent-Type: application/json\r\n\r\n{described}\r\n--b\r\n\r\nx\r\n--b--\r\n"
    upload = f"/upload/storage/v1/b/{name}/o?uploadType=multipart"
    listed = call(local_cloud, "POST", upload, data=parts, headers={"content-type": "multipart/related; boundary=b"})
    assert entries(listed.json()) == {"user-ann@example.com": "READER", WRITER: "OWNER"}
    for item in call(local_cloud, "GET", f"/storage/v1/b/{name}/o").json()["items"]:
        assert not {"acl", "owner"} & item.keys()
    items = call(local_cloud, "GET", f"/storage/v1/b/{name}/o?projection=full").json()["items"]
    assert all(WRITER in entries(item) for item in items)
    buckets = call(local_cloud, "GET", f"/storage/v1/b?project=p&prefix={name}-listed&projection=full").json()["items"]
    assert "user-ann@example.com" in entries(buckets[0])
    assert "acl" not in call(local_cloud, "GET", f"/storage/v1/b/{name}").json()
    assert entries(call(local_cloud, "PATCH", f"/storage/v1/b/{name}", json={}).json()) == TEAMS
    quiet = call(local_cloud, "PATCH", f"/storage/v1/b/{name}?projection=noAcl", json={}).json()
    assert "acl" not in quiet


def test_a_restored_object_gets_the_default_list_or_its_own(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """`copySourceAcl` brings the soft-deleted generation's list back with it."""
    blob = bucket.blob("a")
    blob.upload_from_string("x", predefined_acl="publicRead")
    blob.reload()
    blob.delete()
    path = f"/storage/v1/b/{bucket.name}/o/a/restore?generation={blob.generation}"
    for more, want in (("", TEAMS), ("&copySourceAcl=true", {"allUsers": "READER"})):
        call(local_cloud, "POST", path + more).raise_for_status()
        assert held(bucket.blob("a").acl) == {**want, WRITER: "OWNER"}


def test_the_xml_api_names_predefined_lists(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """By the header x-goog-acl, on uploads and copies; a name that is none is refused."""
    header = {"x-goog-acl": "public-read"}
    call(local_cloud, "PUT", f"/{bucket.name}/a", data=b"x", headers=header).raise_for_status()
    copy = {**header, "x-goog-copy-source": f"/{bucket.name}/a"}
    call(local_cloud, "PUT", f"/{bucket.name}/b", headers=copy).raise_for_status()
    public = {WRITER: "OWNER", "allUsers": "READER"}
    assert [entries(full(local_cloud, f"{bucket.name}/o/{one}")) for one in "ab"] == [public, public]
    wrong = call(local_cloud, "PUT", f"/{bucket.name}/c", data=b"x", headers={"x-goog-acl": "everybody"})
    assert (wrong.status_code, "predefinedAcl" in wrong.text) == (400, True)
