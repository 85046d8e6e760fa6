"""Strict mode: no call without a token, an enabled API and the permission, refused in Google's words."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.auth import crypt, jwt
from google.cloud import storage
from google.oauth2.credentials import Credentials

from infra.emulator.callers import caller_of
from infra.emulator.permissions import permission_of
from tests.cloud import LocalCloud, start_cloud

ROBOT = "robot@strict-project.iam.gserviceaccount.com"
MODELS = "/aiplatform/v1/projects/strict-project/locations/us-central1/models"
CLIENTS: list[storage.Client] = []
POLICY = "/cloudresourcemanager/v1/projects/strict-project"
SERVICE = "/serviceusage/v1/projects/strict-project/services/aiplatform.googleapis.com"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A strict local cloud, where operations take half a second."""
    cloud = start_cloud(tmp_path_factory.mktemp("strict"), "--strict", "--operation-seconds", "0.5")
    yield cloud
    cloud.stop()


def call(cloud: LocalCloud, verb: str, path: str, token: str = "local", **arguments: Any) -> requests.Response:
    """Send a request as somebody."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(verb, cloud.url + path, headers=headers, timeout=30, **arguments)


def client(cloud: LocalCloud, token: str) -> storage.Client:
    """Return Google's storage client with somebody's token."""
    credentials = Credentials(token)  # type: ignore[no-untyped-call]
    options = {"api_endpoint": cloud.url}
    CLIENTS.append(made := storage.Client(project="strict-project", credentials=credentials, client_options=options))
    return made


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the clients that a test made."""
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def bind(cloud: LocalCloud, *bindings: tuple[str, str]) -> None:
    """Give roles in the project."""
    policy = {"bindings": [{"role": role, "members": [member]} for role, member in bindings]}
    assert call(cloud, "POST", f"{POLICY}:setIamPolicy", json={"policy": policy}).status_code == 200


def test_an_api_must_be_enabled_first(cloud: LocalCloud) -> None:
    """SERVICE_DISABLED with the link that enables it, as text and as details; once enabled, calls pass."""
    refused = call(cloud, "GET", MODELS)
    error = refused.json()["error"]
    link = "https://console.developers.google.com/apis/api/aiplatform.googleapis.com/overview?project=123456789012"
    assert (refused.status_code, error["status"]) == (403, "PERMISSION_DENIED")
    unused = "Vertex AI API has not been used in project 123456789012 before or it is disabled."
    assert error["message"].startswith(f"{unused} Enable it by visiting {link} then retry.")
    info, localized, links = error["details"][:3]
    assert (info["@type"], info["reason"]) == ("type.googleapis.com/google.rpc.ErrorInfo", "SERVICE_DISABLED")
    assert info["metadata"]["service"] == "aiplatform.googleapis.com"
    assert info["metadata"]["consumer"] == "projects/123456789012"
    assert info["metadata"]["activationUrl"] == links["links"][0]["url"] == link
    assert localized["message"] == error["message"]
    assert call(cloud, "GET", SERVICE).json()["state"] == "DISABLED"
    assert call(cloud, "POST", f"{SERVICE}:enable").status_code == 200
    assert call(cloud, "GET", MODELS).status_code == 200


def test_callers_without_a_token_are_refused(cloud: LocalCloud) -> None:
    """401 as the APIs write it; storage names the anonymous caller, for public objects need no token."""
    missing, wrong = call(cloud, "GET", MODELS, ""), call(cloud, "GET", MODELS, "nobody")
    assert (missing.status_code, missing.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "is missing required authentication credential" in missing.json()["error"]["message"]
    assert (wrong.status_code, "invalid authentication" in wrong.text) == (401, True)
    client(cloud, "local").create_bucket("strict-public")
    anonymous = call(cloud, "GET", "/storage/v1/b/strict-public/o", "")
    assert anonymous.status_code == 401
    assert "Anonymous caller does not have storage.objects.list access" in anonymous.text
    assert call(cloud, "GET", "/strict-public/x", "").headers["content-type"].startswith("application/xml")
    bucket = client(cloud, "local").bucket("strict-public")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    bucket.set_iam_policy(policy)
    bucket.blob("x").upload_from_string("public")
    assert call(cloud, "GET", "/strict-public/x", "").text == "public"
    assert call(cloud, "PUT", "/strict-public/x", "", data=b"y").status_code == 401
    assert requests.get(f"{cloud.url}/healthz", timeout=30).status_code == 200


def test_storage_asks_iam(cloud: LocalCloud) -> None:
    """A caller without a role is refused by the permission's name, with one may do just what it allows."""
    owner, robot = client(cloud, "local"), client(cloud, ROBOT)
    owner.create_bucket("strict-bucket").blob("a").upload_from_string("content")
    with pytest.raises(Forbidden, match=rf"{ROBOT} does not have storage.objects.get access to the Google Cloud"):
        robot.bucket("strict-bucket").blob("a").download_as_bytes()
    policy = owner.bucket("strict-bucket").get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {f"serviceAccount:{ROBOT}"}})
    owner.bucket("strict-bucket").set_iam_policy(policy)
    assert robot.bucket("strict-bucket").blob("a").download_as_bytes() == b"content"
    assert [blob.name for blob in robot.list_blobs("strict-bucket")] == ["a"]
    attempts: list[Callable[[], Any]] = [
        partial(robot.bucket("strict-bucket").blob("b").upload_from_string, "x"),
        robot.bucket("strict-bucket").blob("a").delete,
        partial(robot.get_bucket, "strict-bucket"),
        partial(robot.create_bucket, "strict-robots"),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="does not have storage"):
            attempt()
    bind(cloud, ("roles/storage.admin", f"serviceAccount:{ROBOT}"))
    robot.create_bucket("strict-robots").blob("b").upload_from_string("x")
    bind(cloud)
    with pytest.raises(Forbidden):
        robot.get_bucket("strict-robots")
    assert (
        call(cloud, "GET", "/storage/v1/b/strict-bucket", "nobody").json()["error"]["errors"][0]["reason"]
        == "authError"
    )


def test_access_lists_let_in_whom_they_name(cloud: LocalCloud) -> None:
    """A public object needs no token, a private one is hidden from viewers too; only owners see and change lists."""
    owner, ann, eve = (client(cloud, token) for token in ("local", "ann@example.com", "eve@example.com"))
    bucket = owner.create_bucket("strict-lists")
    for name in ("public", "private", "plain"):
        bucket.blob(name).upload_from_string(name, predefined_acl="private" if name == "private" else None)
    bucket.blob("public").make_public()
    assert call(cloud, "GET", "/strict-lists/public", "").text == "public"
    assert call(cloud, "GET", "/storage/v1/b/strict-lists/o/public?alt=media", "").text == "public"
    assert call(cloud, "GET", "/strict-lists/plain", "").status_code == 401
    assert call(cloud, "GET", "/storage/v1/b/strict-lists/o/public?projection=full", "").status_code == 401
    bind(cloud, ("roles/viewer", "user:eve@example.com"))
    assert eve.bucket("strict-lists").blob("plain").download_as_bytes() == b"plain"
    with pytest.raises(Forbidden, match=r"storage.objects.get"):
        eve.bucket("strict-lists").blob("private").download_as_bytes()
    bind(cloud)
    listed = bucket.blob("private").acl
    listed.user("ann@example.com").grant_owner()
    listed.user("eve@example.com").grant_read()
    listed.save()
    theirs = eve.bucket("strict-lists").blob("private")
    assert theirs.download_as_bytes() == b"private"
    for attempt in (theirs.acl.reload, partial(theirs.acl.save_predefined, "publicRead")):
        with pytest.raises(Forbidden, match=r"storage.objects"):
            attempt()
    hers = ann.bucket("strict-lists").blob("private")
    hers.acl.domain("example.com").grant_read()
    hers.acl.save()
    assert call(cloud, "GET", "/strict-lists/private", "bob@example.com").text == "private"
    bucket.acl.user("ann@example.com").grant_write()
    bucket.acl.save()
    mine = ann.bucket("strict-lists").blob("mine")
    mine.upload_from_string("x")
    mine.reload(projection="full")
    assert mine.owner == {"entity": "user-ann@example.com"}
    with pytest.raises(Forbidden, match=r"storage.buckets.getIamPolicy"):
        ann.bucket("strict-lists").acl.reload()


def test_public_access_prevention_outweighs_lists(cloud: LocalCloud) -> None:
    """What was public before is so no more; an older generation has a list of its own."""
    bucket = client(cloud, "local").bucket("strict-prevented")
    bucket.versioning_enabled = True
    bucket.create()
    blob = bucket.blob("a")
    blob.upload_from_string("secret", predefined_acl="private")
    blob.reload()
    older = f"/storage/v1/b/strict-prevented/o/a?alt=media&generation={blob.generation}"
    blob.upload_from_string("public", predefined_acl="publicRead")
    assert call(cloud, "GET", "/strict-prevented/a", "").text == "public"
    assert call(cloud, "GET", older, "").status_code == 401
    bucket.iam_configuration.public_access_prevention = "enforced"
    bucket.patch()
    assert call(cloud, "GET", "/strict-prevented/a", "").status_code == 401
    assert call(cloud, "GET", "/strict-prevented/a").text == "public"


def test_pages_of_other_origins_need_tokens_too(cloud: LocalCloud) -> None:
    """A bucket's `cors` rules let a page ask first, without a token as browsers do; reading needs a permission."""
    bucket = client(cloud, "local").bucket("strict-pages")
    bucket.cors = [{"origin": ["https://app.example.com"], "method": ["GET"], "responseHeader": ["authorization"]}]
    bucket.create()
    bucket.blob("a").upload_from_string("x")
    page = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    asked = requests.options(f"{cloud.url}/strict-pages/a", headers=page, timeout=30)
    assert (asked.status_code, asked.headers["access-control-allow-headers"]) == (200, "authorization")
    for token, status in ((ROBOT, 403), ("local", 200)):
        known = {**page, "Authorization": f"Bearer {token}"}
        assert requests.get(f"{cloud.url}/strict-pages/a", headers=known, timeout=30).status_code == status
    assert requests.get(f"{cloud.url}/strict-pages/a", headers=page, timeout=30).status_code == 401


def test_the_projects_basic_roles_reach_its_buckets(cloud: LocalCloud) -> None:
    """A new bucket's first policy names projectViewer and projectOwner: who has these roles is meant."""
    client(cloud, "local").create_bucket("strict-basic").blob("a").upload_from_string("content")
    bind(cloud, ("roles/viewer", "user:ann@example.com"), ("roles/editor", "user:bob@example.com"))
    ann, bob = client(cloud, "ann@example.com"), client(cloud, "user:bob@example.com")
    assert [blob.name for blob in ann.list_blobs("strict-basic")] == ["a"]
    with pytest.raises(Forbidden):
        ann.bucket("strict-basic").blob("b").upload_from_string("x")
    bob.bucket("strict-basic").blob("b").upload_from_string("x")
    bind(cloud)


def test_vertex_asks_iam(cloud: LocalCloud) -> None:
    """A viewer lists models and makes no endpoint; the refusal names permission and resource."""
    call(cloud, "POST", f"{SERVICE}:enable")
    endpoints = MODELS.replace("models", "endpoints")
    refused = call(cloud, "GET", MODELS, ROBOT)
    parent = "projects/strict-project/locations/us-central1"
    denied = f"Permission 'aiplatform.models.list' denied on resource '//aiplatform.googleapis.com/{parent}'"
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, f"{denied} (or it may not exist).")
    info = refused.json()["error"]["details"][0]
    assert (info["reason"], info["metadata"]["permission"]) == ("IAM_PERMISSION_DENIED", "aiplatform.models.list")
    bind(cloud, ("roles/aiplatform.viewer", f"serviceAccount:{ROBOT}"))
    assert call(cloud, "GET", MODELS, ROBOT).status_code == 200
    assert call(cloud, "POST", endpoints, ROBOT, json={"displayName": "one"}).status_code == 403
    bind(cloud, ("roles/aiplatform.user", f"serviceAccount:{ROBOT}"))
    assert call(cloud, "POST", endpoints, ROBOT, json={"displayName": "one"}).status_code == 200
    bind(cloud)


def test_operations_can_take_their_time(cloud: LocalCloud) -> None:
    """With --operation-seconds an operation looks under way for so long, by the clock that tests move."""
    call(cloud, "POST", f"{SERVICE}:enable")
    begun = call(cloud, "POST", MODELS.replace("models", "endpoints"), json={"displayName": "slow"}).json()
    assert "response" not in begun
    assert "done" not in begun
    assert "localDue" not in str(begun)
    waited = call(cloud, "POST", f"/aiplatform/v1/{begun['name']}:wait?timeout=20s").json()
    assert waited["done"]
    assert waited["response"]["displayName"] == "slow"
    again = call(cloud, "POST", MODELS.replace("models", "endpoints"), json={"displayName": "slow"}).json()
    call(cloud, "POST", "/_local/clock", json={"advanceSeconds": 60})
    assert call(cloud, "GET", f"/aiplatform/v1/{again['name']}").json()["done"]
    call(cloud, "POST", "/_local/clock")


def test_operations_of_compute_take_their_time_too(cloud: LocalCloud) -> None:
    """They look RUNNING, without an end, and `wait` answers when they are done."""
    call(cloud, "POST", SERVICE.replace("aiplatform", "compute") + ":enable")
    place = "/compute/compute/v1/projects/strict-project/global"
    body = {"name": "slow", "autoCreateSubnetworks": False}
    begun = call(cloud, "POST", f"{place}/networks", json=body).json()
    assert (begun["status"], begun["progress"], "endTime" in begun, "localDue" in begun) == ("RUNNING", 0, False, False)
    assert call(cloud, "GET", f"{place}/operations").json()["items"][-1]["status"] == "RUNNING"
    waited = call(cloud, "POST", f"{place}/operations/{begun['name']}/wait").json()
    assert (waited["status"], waited["progress"]) == ("DONE", 100)
    assert call(cloud, "GET", f"{place}/operations/{begun['name']}").json() == waited


def test_tokens_name_their_callers() -> None:
    """An address, a member, a signed token: each is a caller; what is none is nobody."""
    signed = jwt.encode(_Signer(), {"iss": ROBOT})  # type: ignore[no-untyped-call]
    given = {
        "local": "user:owner@local",
        ROBOT: f"serviceAccount:{ROBOT}",
        "ann@example.com": "user:ann@example.com",
        "user:ann@example.com": "user:ann@example.com",
        signed.decode(): f"serviceAccount:{ROBOT}",
    }
    for token, member in given.items():
        caller = caller_of({"authorization": f"Bearer {token}"})
        assert caller is not None
        assert (caller.member, caller.owner) == (member, token == "local")
    for wrong in ("Bearer x", "Basic local", "Bearer a.b.c", "Bearer ", "Bearer e30.W10.x"):
        assert caller_of({"authorization": wrong}) is None
    assert caller_of({}) is not None


def test_callers_learn_which_permissions_they_have(cloud: LocalCloud) -> None:
    """`testIamPermissions` gives those that calls would be allowed, on a bucket those of its own policy too."""
    asked = ["storage.objects.get", "storage.objects.delete", "aiplatform.models.get", "notebooks.instances.get"]
    bind(cloud, ("roles/aiplatform.viewer", f"serviceAccount:{ROBOT}"))
    for token, want in (("local", asked), (ROBOT, asked[2:]), ("user:stranger@example.com", asked[3:])):
        answer = call(cloud, "POST", f"{POLICY}:testIamPermissions", token, json={"permissions": asked})
        assert answer.json() == {"permissions": want}
    client(cloud, "local").create_bucket("strict-asked")
    bucket = client(cloud, ROBOT).bucket("strict-asked")
    assert bucket.test_iam_permissions(asked[:2]) == []
    mine = client(cloud, "local").bucket("strict-asked")
    policy = mine.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {f"serviceAccount:{ROBOT}"}})
    mine.set_iam_policy(policy)
    assert bucket.test_iam_permissions(asked[:2]) == asked[:1]
    assert mine.test_iam_permissions(asked[:2]) == asked[:2]
    bind(cloud)


class _Signer(crypt.Signer):
    """Signs as nobody checks."""

    key_id = "1"

    def sign(self, message: bytes) -> bytes:
        """Return some bytes."""
        return message[:8]


@pytest.mark.parametrize(
    ("method", "permission"),
    [
        ("storage.objects.insert", "storage.objects.create"),
        ("storage.buckets.getIamPolicy", "storage.buckets.getIamPolicy"),
        ("storage.buckets.testIamPermissions", ""),
        ("storage.buckets.operations.list", "storage.bucketOperations.list"),
        ("storage.objects.bulkRestore", "storage.objects.restore"),
        ("aiplatform.projects.locations.models.upload", "aiplatform.models.upload"),
        ("aiplatform.projects.locations.endpoints.predict", "aiplatform.endpoints.predict"),
        ("aiplatform.projects.locations.batchPredictionJobs.create", "aiplatform.batchPredictionJobs.create"),
        ("aiplatform.projects.locations.operations.get", ""),
        ("ml.projects.models.create", ""),
    ],
)
def test_methods_ask_for_googles_permissions(method: str, permission: str) -> None:
    """A method's permission is the one of Google's tables."""
    assert permission_of(method) == permission
