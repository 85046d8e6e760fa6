"""`fields`: of every API's answers only what is named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.partial_response import parsed, selected
from tests.cloud import LocalCloud
from tests.storage import call

ANSWER = {
    "kind": "list",
    "items": [{"name": "a", "metadata": {"x": 1, "y": 2}, "size": "1"}, {"name": "b"}],
    "nextPageToken": "t",
}


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ("kind", {"kind": "list"}),
        ("items/name,nextPageToken", {"items": [{"name": "a"}, {"name": "b"}], "nextPageToken": "t"}),
        ("items(name,metadata/x)", {"items": [{"name": "a", "metadata": {"x": 1}}, {"name": "b"}]}),
        ("items(metadata(y))", {"items": [{"metadata": {"y": 2}}, {}]}),
        ("items.metadata.y", {"items": [{"metadata": {"y": 2}}, {}]}),
        ("items/*/x", {"items": [{"name": "a", "metadata": {"x": 1}, "size": "1"}, {"name": "b"}]}),
        ("*", ANSWER),
        ("items", {"items": ANSWER["items"]}),
        ("next_page_token", {"nextPageToken": "t"}),
        (" kind , nextPageToken ", {"kind": "list", "nextPageToken": "t"}),
    ],
)
def test_a_selection_leaves_what_it_names(fields: str, left: dict[str, Any]) -> None:
    """Paths, lists in parentheses and stars work as Google documents them."""
    assert selected(ANSWER, parsed(fields)) == left


@given(st.text(alphabet="ab(),/*. ", max_size=30))
def test_any_selection_is_read_or_refused(fields: str) -> None:
    """What is no selection is a 400, and what is one adds nothing."""
    try:
        mask = parsed(fields)
    except ApiError as error:
        assert error.code == 400
    else:
        assert selected(ANSWER, mask).items() <= ANSWER.items() or mask


@pytest.mark.parametrize(
    ("path", "fields", "names"),
    [
        ("/storage/v1/b?project=p", "items(id,location)", {"items"}),
        ("/storage/v1/b/partial-bucket", "name,iamConfiguration/publicAccessPrevention", {"name", "iamConfiguration"}),
        ("/cloudresourcemanager/v1/projects/p", "projectId", {"projectId"}),
        ("/aiplatform/v1/projects/p/locations/us-central1/models", "nextPageToken", set()),
        ("/compute/v1/projects/p", "name", {"name"}),
    ],
)
def test_every_api_answers_in_part(local_cloud: LocalCloud, path: str, fields: str, names: set[str]) -> None:
    """Whichever API answers, only the named fields come, as a parameter or as the header of the gRPC clients."""
    call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": "partial-bucket"})
    join = "&" if "?" in path else "?"
    answer = call(local_cloud, "GET", f"{path}{join}fields={fields}")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == names
    header = call(local_cloud, "GET", path, headers={"X-Goog-FieldMask": fields})
    assert set(header.json()) == names


def test_a_field_that_is_not_there_is_refused_before_anything_is_done(local_cloud: LocalCloud) -> None:
    """A wrong selection is a 400 that names it, and nothing is created."""
    body = {"name": "never-made-bucket"}
    answer = call(local_cloud, "POST", "/storage/v1/b?project=p&fields=name,nme", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Invalid field selection nme"
    assert call(local_cloud, "GET", "/storage/v1/b/never-made-bucket").status_code == 404


def test_an_upload_answers_in_part(local_cloud: LocalCloud) -> None:
    """Uploads know `fields` too."""
    call(local_cloud, "POST", "/storage/v1/b?project=p", json={"name": "partial-bucket"})
    path = "/upload/storage/v1/b/partial-bucket/o?uploadType=media&name=a&fields=name,size"
    assert call(local_cloud, "POST", path, data=b"12345").json() == {"name": "a", "size": "5"}
