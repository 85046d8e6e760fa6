"""IAM conditions in strict mode: what is written in a binding decides, and what cannot be judged gives nothing."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.conditions import Request, UnknownConditionError, holds
from tests.cloud import LocalCloud, start_cloud

NOON = datetime(2031, 1, 31, 12, 30, tzinfo=UTC)  # a Friday
OBJECT = Request(
    "projects/_/buckets/b/objects/a/x.txt", "storage.googleapis.com/Object", "storage.googleapis.com", NOON
)
ANN, P = "user:ann@example.com", "/cloudresourcemanager/v1/projects/conditions"


@pytest.mark.parametrize(
    ("expression", "holding"),
    [
        ("resource.name.startsWith('projects/_/buckets/b/objects/a/')", True),
        ('resource.name.startsWith("projects/_/buckets/other")', False),
        ("resource.type == 'storage.googleapis.com/Object' && resource.name.endsWith('.txt')", True),
        ("resource.type != 'storage.googleapis.com/Object' || !resource.name.endsWith('.txt')", False),
        ("resource.service in ['storage.googleapis.com', 'x']", True),
        ("request.time < timestamp('2031-02-01T00:00:00Z')", True),
        ("request.time >= timestamp('2031-01-31T13:30:00+01:00') + duration('1h')", False),
        ("request.time.getHours('Europe/Berlin') == 13 && request.time.getDayOfWeek('+01:00') == 5", True),
        ("request.time.getMonth() == 0 && request.time.getDate() == 31 && request.time.getDayOfMonth() == 30", True),
        ("resource.name.extract('/objects/{folder}/') == 'a'", True),
        ("api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('a/')", False),
        ("true || resource.matchTag('1/env', 'prod')", True),
        ("false && resource.matchTag('1/env', 'prod')", False),
        ("'it\\'s' == \"it's\"", True),
    ],
)
def test_expressions_hold_as_iam_reads_them(expression: str, holding: bool) -> None:
    """Attributes of resource and request, texts, times, junctions."""
    assert holds(expression, OBJECT) is holding


@pytest.mark.parametrize(
    "expression",
    [
        *("", "resource.name", "resource.matchTag('1/env', 'prod')", "request.auth.claims == 'x'", "1 < 2 < 3"),
        *(
            "resource.name.startsWith(",
            "true && 1",
            "'a' < 1",
            "__import__('os')",
            "lambda: true",
            "timestamp('x') < 1",
        ),
        *("duration('1x') == duration('1s')", "request.time.getHours('Nowhere/Town') == 1", "a ? b : c", "-1 == 1"),
    ],
)
def test_what_is_not_understood_is_never_granted(expression: str) -> None:
    """It is said, whatever it is."""
    with pytest.raises(UnknownConditionError):
        holds(expression, OBJECT)


@given(st.text("resource.nmtq ()[]'\"!&|<>=1+-,\\{}", max_size=40))
def test_no_expression_breaks_the_judge(expression: str) -> None:
    """Any text is judged, or refused as one that cannot be."""
    with suppress(UnknownConditionError):
        assert holds(expression, OBJECT) in (True, False)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A strict local cloud with a bucket of two objects."""
    cloud = start_cloud(tmp_path_factory.mktemp("conditions"), "--strict")
    assert call(cloud, "POST", "/storage/v1/b?project=conditions", json={"name": "conditional"}).ok
    for name in ("a/x", "b/x"):
        assert put(cloud, name, "local").ok
    yield cloud
    cloud.stop()


def call(cloud: LocalCloud, verb: str, path: str, token: str = "local", **arguments: Any) -> requests.Response:
    """Send a request as somebody."""
    return requests.request(
        verb, cloud.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30, **arguments
    )


def put(cloud: LocalCloud, name: str, token: str) -> requests.Response:
    """Upload an object whose name stands in the body."""
    metadata = f'--x\r\nContent-Type: application/json\r\n\r\n{{"name": "{name}"}}\r\n'
    body = f"{metadata}--x\r\nContent-Type: text/plain\r\n\r\ncontent\r\n--x--\r\n"
    path = f"{cloud.url}/upload/storage/v1/b/conditional/o?uploadType=multipart"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/related; boundary=x"}
    return requests.post(path, data=body, headers=headers, timeout=30)


def bind(cloud: LocalCloud, role: str, member: str, expression: str = "") -> None:
    """Give one role in the project, under a condition."""
    binding = {"role": role, "members": [member]}
    if expression:
        binding["condition"] = {"title": "t", "expression": expression}  # type: ignore[assignment]
    policy = {"version": 3, "bindings": [binding]}
    assert call(cloud, "POST", f"{P}:setIamPolicy", json={"policy": policy}).ok


def test_a_condition_on_names_opens_a_folder_only(cloud: LocalCloud) -> None:
    """Reading, writing and listing below a prefix pass, beside it nothing does; the name in an upload's body counts."""
    prefix = "projects/_/buckets/conditional/objects/a/"
    listing = "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('a/')"
    bind(cloud, "roles/storage.objectUser", ANN, f"resource.name.startsWith('{prefix}') || {listing}")
    o = "/storage/v1/b/conditional/o"
    assert call(cloud, "GET", f"{o}/a%2Fx?alt=media", ANN).text == "content"
    assert call(cloud, "GET", f"{o}/b%2Fx?alt=media", ANN).status_code == 403
    assert call(cloud, "GET", f"{o}?prefix=a/", ANN).json()["items"][0]["name"] == "a/x"
    assert call(cloud, "GET", o, ANN).status_code == 403
    assert (put(cloud, "a/new", ANN).status_code, put(cloud, "b/new", ANN).status_code) == (200, 403)
    assert call(cloud, "PUT", "/conditional/b/new", ANN, data=b"x").status_code == 403
    assert call(cloud, "POST", f"{o}/b%2Fx/rewriteTo/b/conditional/o/a%2Fy", ANN).status_code == 403
    assert call(cloud, "POST", f"{o}/a%2Fx/rewriteTo/b/conditional/o/a%2Fy", ANN).status_code == 200


def test_replacing_an_object_needs_the_right_to_delete_it(cloud: LocalCloud) -> None:
    """A creator makes new objects, and is refused by the permission's name where one is there."""
    bind(cloud, "roles/storage.objectCreator", ANN)
    assert put(cloud, "made", ANN).status_code == 200
    refused = put(cloud, "made", ANN)
    assert (refused.status_code, "storage.objects.delete" in refused.text) == (403, True)


def test_a_condition_that_cannot_be_judged_is_told(cloud: LocalCloud) -> None:
    """It gives nothing, and the refusal says which it was."""
    bind(cloud, "roles/storage.objectViewer", ANN, "resource.matchTag('1/env', 'prod')")
    refused = call(cloud, "GET", "/storage/v1/b/conditional/o/a%2Fx", ANN)
    assert refused.status_code == 403
    assert "cannot judge a condition" in refused.json()["error"]["message"]
    assert "matchTag" in refused.json()["error"]["message"]


def test_domains_groups_and_own_roles_give_what_they_say(cloud: LocalCloud) -> None:
    """A domain's people, a signed token's groups, and a custom role as long as it is there."""
    read = "/storage/v1/b/conditional/o/a%2Fx"
    bind(cloud, "roles/storage.objectViewer", "domain:example.com")
    assert [call(cloud, "GET", read, f"user:u@{place}.com").status_code for place in ("example", "x")] == [200, 403]
    bind(cloud, "roles/storage.objectViewer", "group:team@example.com")
    claims = "eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJ0ZWFtQGV4YW1wbGUuY29tIl19"
    assert call(cloud, "GET", read, f"e30.{claims}.x").status_code == 200
    assert call(cloud, "GET", read, ANN).status_code == 403
    assert call(cloud, "POST", "/serviceusage/v1/projects/conditions/services/iam.googleapis.com:enable").ok
    role = {"title": "Reader", "includedPermissions": ["storage.objects.get"], "stage": "GA"}
    roles = "/iam/v1/projects/conditions/roles"
    made = call(cloud, "POST", roles, json={"roleId": "reader", "role": role}).json()
    assert made["name"] == "projects/conditions/roles/reader"
    bind(cloud, made["name"], ANN)
    assert call(cloud, "GET", read, ANN).status_code == 200
    assert call(cloud, "DELETE", "/storage/v1/b/conditional/o/a%2Fx", ANN).status_code == 403
    assert call(cloud, "PATCH", f"{roles}/reader?updateMask=stage", json={"stage": "DISABLED"}).ok
    assert call(cloud, "GET", read, ANN).status_code == 403
    assert call(cloud, "DELETE", f"{roles}/reader").json()["deleted"]
    assert call(cloud, "GET", roles).json() == {}
    assert call(cloud, "GET", f"{roles}?showDeleted=true").json()["roles"][0]["title"] == "Reader"
    assert call(cloud, "POST", f"{roles}/reader:undelete").json()["stage"] == "DISABLED"
    assert call(cloud, "POST", roles, json={"roleId": "reader", "role": role}).status_code == 409
    assert call(cloud, "POST", roles, json={"roleId": "no", "role": role}).status_code == 400


def test_an_endpoints_own_policy_opens_it_alone(cloud: LocalCloud) -> None:
    """Who has a role on one endpoint reads that one, not the next, and not the list."""
    bind(cloud, "roles/storage.objectViewer", ANN)
    assert call(cloud, "POST", "/serviceusage/v1/projects/conditions/services/aiplatform.googleapis.com:enable").ok
    place = "/aiplatform/v1beta1/projects/conditions/locations/us-central1/endpoints"
    for name in ("open", "closed"):
        assert call(cloud, "POST", f"{place}?endpointId={name}", json={"displayName": name}).ok
    policy = {"bindings": [{"role": "roles/aiplatform.viewer", "members": [ANN]}]}
    assert call(cloud, "POST", f"{place}/open:setIamPolicy", json={"policy": policy}).ok
    reads = [call(cloud, "GET", path, ANN).status_code for path in (f"{place}/open", f"{place}/closed", place)]
    assert reads == [200, 403, 403]
    asked = {"permissions": ["aiplatform.endpoints.get", "aiplatform.endpoints.delete"]}
    held = call(cloud, "POST", f"{place}/open:testIamPermissions", ANN, params=asked).json()
    assert held == {"permissions": ["aiplatform.endpoints.get"]}
    assert call(cloud, "DELETE", f"{place}/open", ANN).status_code == 403
