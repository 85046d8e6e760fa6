"""What most APIs of the local cloud share: masks, pages, orders, operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator import operations
from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import ApiError, failed_precondition
from infra.emulator.generic import ordered, page, patched
from infra.emulator.projects import by_id, project_id, remember
from infra.emulator.resources import Resources

LOCATION = "projects/p/locations/us-central1"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud without a server."""
    resources = Resources(tmp_path / "cloud.sqlite")
    yield Cloud(resources, tmp_path, "http://127.0.0.1:1")
    resources.close()


def call_of(cloud: Cloud, method: str = "aiplatform.projects.locations.endpoints.create", **values: Any) -> Call:
    """Make a call of Vertex AI."""
    return Call(cloud, method, "aiplatform", "v1beta1", **{"path": {"parent": LOCATION}, **values})


@pytest.mark.parametrize(
    ("mask", "changes", "expected"),
    [
        ("a", {"a": 2, "b": {"c": 9}}, {"a": 2, "b": {"c": 1, "deepPart": 2}}),
        ("b.deep_part", {"b": {"deepPart": 3}}, {"a": 1, "b": {"c": 1, "deepPart": 3}}),
        ("b.deepPart, a", {"b": {}, "a": 0}, {"a": 0, "b": {"c": 1}}),
        ("b", {"b": {"c": 4}}, {"a": 1, "b": {"c": 4}}),
        ("b.new.er", {"b": {"new": {"er": 5}}}, {"a": 1, "b": {"c": 1, "deepPart": 2, "new": {"er": 5}}}),
        ("a", {}, {"b": {"c": 1, "deepPart": 2}}),
        ("", {"a": 3}, {"a": 3, "b": {"c": 1, "deepPart": 2}}),
        ("*", {"a": 3}, {"a": 3, "b": {"c": 1, "deepPart": 2}}),
    ],
)
def test_masks_name_what_changes(mask: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """CamelCase and snake_case, dotted paths, fields that go, and no mask at all."""
    body = {"a": 1, "b": {"c": 1, "deepPart": 2}}
    assert patched(body, changes, mask) == expected
    assert body == {"a": 1, "b": {"c": 1, "deepPart": 2}}


def test_masks_stay_within_what_is_mutable() -> None:
    """A field that cannot change is named in the refusal."""
    with pytest.raises(ApiError, match="'name'"):
        patched({}, {"name": "x"}, "name", mutable=("labels",))


@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_pages_hold_everything_once(count: int, size: int) -> None:
    """Whatever the page size, the pages together are the list."""
    items, seen, token = list(range(count)), [], ""
    while True:
        query = {"pageSize": [str(size)], "pageToken": [token]}
        answer = page(Call(None, "", "", "", query=query), items, "items")  # type: ignore[arg-type]  # no cloud is needed
        assert len(answer.get("items", [])) <= size
        seen += answer.get("items", [])
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert seen == items


def test_orders_are_read_left_to_right() -> None:
    """The first field counts most; `desc` turns one field round; nonsense is refused."""
    items = [{"a": "1", "bC": "x"}, {"a": "2", "bC": "y"}, {"a": "2", "bC": "x"}]
    assert ordered(items, "a desc, b_c") == [items[2], items[1], items[0]]
    assert ordered(items, "") == items
    with pytest.raises(ApiError):
        ordered(items, "a sideways")


def test_operation_is_pending_until_it_is_completed(cloud: Cloud) -> None:
    """A pending operation is not done; its result ends it, once."""
    operation = operations.pending(call_of(cloud), "DeployModelOperationMetadata", parent=f"{LOCATION}/endpoints/1")
    assert operation["name"].startswith(f"{LOCATION}/endpoints/1/operations/")
    package = "type.googleapis.com/google.cloud.aiplatform.v1beta1"
    assert operation["metadata"]["@type"] == f"{package}.DeployModelOperationMetadata"
    assert set(operation["metadata"]["genericMetadata"]) == {"createTime", "updateTime"}
    named = call_of(cloud, path={"name": operation["name"]})
    assert "done" not in operations.get(named)
    for text, found in (("", [operation]), ("done=false", [operation]), ("done=true", [])):
        listing = call_of(cloud, path={"name": f"{LOCATION}/endpoints/1"}, query={"filter": [text]})
        assert operations.list_(listing).get("operations", []) == found
    operations.complete(cloud, operation["name"], {"@type": operations.type_url(named, "DeployModelResponse")})
    operations.fail(cloud, operation["name"], failed_precondition("too late"))
    assert operations.get(named)["response"] == {"@type": f"{package}.DeployModelResponse"}


def test_failed_and_cancelled_operations_carry_an_error(cloud: Cloud) -> None:
    """The error's code is google.rpc.Code's; a cancelled operation is not completed any more."""
    failed = operations.pending(call_of(cloud), "M")
    operations.fail(cloud, failed["name"], failed_precondition("broken"))
    error = operations.get(call_of(cloud, path={"name": failed["name"]}))["error"]
    assert error == {"code": 9, "message": "broken"}
    cancelled = operations.pending(call_of(cloud), "M")
    named = call_of(cloud, path={"name": cancelled["name"]})
    assert operations.cancel(named) == {}
    operations.complete(cloud, cancelled["name"], {})
    assert operations.get(named)["error"]["code"] == 1


def test_operations_outlive_the_process(cloud: Cloud, tmp_path: Path) -> None:
    """An operation is read by another process from the same file."""
    operation = operations.finished(call_of(cloud), "CreateEndpointOperationMetadata", "Endpoint", {"name": "e"})
    again = Resources(tmp_path / "cloud.sqlite")
    assert again.get(operations.KIND, operation["name"]) == operation
    again.close()


def test_operations_are_listed_where_they_stand(cloud: Cloud) -> None:
    """A location's operations are not those of its models."""
    here = operations.finished(call_of(cloud), "M")
    operations.finished(call_of(cloud), "M", parent=f"{LOCATION}/models/1")
    listed = operations.list_(call_of(cloud, path={"name": LOCATION}))
    assert [operation["name"] for operation in listed["operations"]] == [here["name"]]


def test_the_number_means_the_project_that_was_named_last(cloud: Cloud) -> None:
    """Every project has the number; whoever uses it means the one in use."""
    assert project_id(cloud, "123456789012") == "123456789012"
    remember(cloud, {"name": "projects/first/locations/l"}, {})
    remember(cloud, {}, {"project": ["second"]})
    remember(cloud, {"name": "projects/123456789012/locations/l"}, {})
    assert project_id(cloud, "projects/123456789012") == "second"
    assert by_id(cloud, {"name": "projects/123456789012/x/y", "other": "projects/z/x"}) == {
        "name": "projects/second/x/y",
        "other": "projects/z/x",
    }
