"""Lists of objects against what Python makes of the same names."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from google.cloud import storage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.storage_listing import glob_expression
from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

NAMES = ["a", "a/", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "b/2", "ä", "z/z/z", "日/1"]


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> Iterator[storage.Bucket]:
    """A bucket that holds NAMES."""
    client = storage_client(local_cloud)
    bucket = new_bucket(client)
    for name in NAMES:
        bucket.blob(name).upload_from_string(name)
    yield bucket
    client.close()


def expected(prefix: str, delimiter: str, start: str, end: str, trailing: bool) -> tuple[list[str], set[str]]:
    """Return what the service would list."""
    items, prefixes = [], set()
    for name in sorted(NAMES, key=str.encode):
        if not name.startswith(prefix) or name.encode() < start.encode() or (end and name.encode() >= end.encode()):
            continue
        rest = name[len(prefix) :]
        folded = prefix + rest[: rest.index(delimiter) + len(delimiter)] if delimiter and delimiter in rest else ""
        if folded:
            prefixes.add(folded)
        if not folded or (trailing and folded == name):
            items.append(name)
    return items, prefixes


@settings(max_examples=150, deadline=None)
@given(
    prefix=st.sampled_from(["", "a", "a/", "a/2", "b/", "ä", "none"]),
    delimiter=st.sampled_from(["", "/", "/2/"]),
    start=st.sampled_from(["", "a/1", "a/2/y", "b"]),
    end=st.sampled_from(["", "a/2/y", "b/2"]),
    trailing=st.booleans(),
    size=st.integers(1, 5),
)
def test_every_page_size_lists_the_same(
    bucket: storage.Bucket, prefix: str, delimiter: str, start: str, end: str, trailing: bool, size: int
) -> None:
    """Whatever the parameters, the pages together are what filtering and folding all names gives."""
    found = bucket.list_blobs(
        prefix=prefix,
        delimiter=delimiter or None,
        start_offset=start or None,
        end_offset=end or None,
        include_trailing_delimiter=trailing,
        page_size=size,
    )
    items = [blob.name for blob in found]
    assert (items, set(found.prefixes)) == expected(prefix, delimiter, start, end, trailing)


def test_pages_hold_as_many_as_were_asked_for(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """Items and prefixes count together, no prefix comes twice, and the last page has no token."""
    token, pages = "", []
    while True:
        query = {"delimiter": "/", "maxResults": "2", "pageToken": token}
        page = call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/o", params=query).json()
        pages.append([item["name"] for item in page.get("items", [])] + page.get("prefixes", []))
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sorted(chain.from_iterable(pages)) == sorted({"a", "a/", "a0", "b/", "ä", "z/", "日/"})
    assert call(local_cloud, "GET", f"/storage/v1/b/{bucket.name}/o?pageToken=%21").status_code == 400


def test_a_long_run_below_a_prefix_is_jumped_over(local_cloud: LocalCloud) -> None:
    """Thousands of objects below one prefix are one entry, and what follows them is still found."""
    client = storage_client(local_cloud)
    bucket = new_bucket(client)
    source = bucket.blob("source")
    source.upload_from_string("x")
    for number in range(0, 1100, 100):
        with client.batch():
            for step in range(100):
                bucket.copy_blob(source, bucket, f"many/{number + step:05}")
    bucket.copy_blob(source, bucket, "zebra")
    found = bucket.list_blobs(delimiter="/")
    assert [blob.name for blob in found] == ["source", "zebra"]
    assert found.prefixes == {"many/"}
    assert sum(1 for _ in bucket.list_blobs(prefix="many/")) == 1100
    client.close()


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        ("*", ["a", "a0", "ä"]),
        ("**", NAMES),
        ("a/*", ["a/", "a/1"]),
        ("a/**", ["a/", "a/1", "a/2/x", "a/2/y"]),
        ("{a,b}/1", ["a/1", "b/1"]),
        ("a[0-9]", ["a0"]),
        ("[!b]/?", ["a/1", "日/1"]),
        ("z/{z/{y,z},q}", ["z/z/z"]),
    ],
)
def test_globs_match_as_the_service_does(bucket: storage.Bucket, glob: str, matched: list[str]) -> None:
    """One star stops at a slash, two do not; sets and choices work."""
    assert sorted(blob.name for blob in bucket.list_blobs(match_glob=glob)) == sorted(matched)


@example("[b-a]")
@given(st.text("ab*?[]{}!^-\\,/", max_size=12))
def test_any_glob_compiles_or_is_refused(glob: str) -> None:
    """No pattern, however broken, is a fault of ours: it compiles, or is refused with 400."""
    try:
        assert isinstance(glob_expression(glob), re.Pattern)
    except ApiError as error:
        assert error.code == 400


def test_lists_are_filtered_by_contexts(local_cloud: LocalCloud, bucket: storage.Bucket) -> None:
    """By a value, by a key, and by their absence; prefixes are listed all the same; contexts have their times."""
    place = new_bucket(bucket.client).name
    for name, values in {"a": {"env": "prod"}, "b": {"env": "test", "team": "x"}, "c": {}, "d/e": {}}.items():
        custom = {key: {"value": value} for key, value in values.items()}
        body = {"name": name, "contexts": {"custom": custom}} if custom else {"name": name}
        started = call(local_cloud, "POST", f"/upload/storage/v1/b/{place}/o?uploadType=resumable", json=body)
        assert call(local_cloud, "PUT", started.headers["location"].removeprefix(local_cloud.url), data=b"x").ok

    def named(text: str, **more: str) -> Any:
        return call(local_cloud, "GET", f"/storage/v1/b/{place}/o", params={"filter": text, **more}).json()

    for text, names in {
        'contexts."env"="prod"': ["a"],
        '-contexts."env"="prod"': ["b", "c", "d/e"],
        'contexts."env":*': ["a", "b"],
        '-contexts."env":*': ["c", "d/e"],
        'contexts."env":* AND -contexts."team":*': ["a"],
    }.items():
        assert [item["name"] for item in named(text)["items"]] == names, text
    assert named('contexts."env":*', delimiter="/")["prefixes"] == ["d/"]
    assert "items" not in named('contexts."none":*', maxResults="1")
    for wrong in ("env=prod", 'contexts."env"', 'size>1 AND contexts."env":*'):
        assert named(wrong)["error"]["code"] == 400
    made = named('contexts."env"="prod"')["items"][0]["contexts"]["custom"]["env"]
    assert made["createTime"] == made["updateTime"]
    change = {"contexts": {"custom": {"env": {"value": "next"}, "new": {"value": "1"}}}}
    changed = call(local_cloud, "PATCH", f"/storage/v1/b/{place}/o/a", json=change).json()["contexts"]["custom"]
    assert changed["env"]["createTime"] == made["createTime"] < changed["env"]["updateTime"]
    assert changed["new"]["createTime"] == changed["env"]["updateTime"]
