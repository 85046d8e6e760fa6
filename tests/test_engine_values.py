"""Values, property paths and names: what parses and what travels."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.engine import assets, ignoring, paths, wire
from infra.engine import urn as names
from infra.engine.errors import StepError
from infra.engine.goal import seconds
from infra.engine.object_diff import compare
from infra.engine.providers import UNKNOWN
from infra.engine.sealing import opened, sealed, sealer_of
from infra.engine.structs import from_struct, to_struct
from infra.engine.wording import WIDTH, shown

KEYS = st.text(max_size=12)
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False, width=32)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
TREES = st.dictionaries(KEYS, VALUES, max_size=5)
SEALER = sealer_of("", "")


@given(TREES)
def test_structs_carry_every_value(tree: dict[str, Any]) -> None:
    """What goes through protobuf comes back, integral numbers as ints."""
    assert from_struct(to_struct(tree)) == tree


@given(TREES)
def test_sealed_trees_open_to_themselves(tree: dict[str, Any]) -> None:
    """Every secret in a tree is sealed, and opens to what it was."""
    secrets = {key: wire.secret(value) for key, value in tree.items()}
    closed = sealed(secrets, SEALER, "here")
    assert all(set(value) == {wire.SIGNATURE, "ciphertext"} for value in closed.values())
    assert opened(closed, SEALER, "here") == {
        key: {wire.SIGNATURE: wire.SECRET, "value": value["value"]} for key, value in secrets.items()
    }


@given(TREES, st.sets(KEYS))
def test_marks_come_back_to_a_providers_answer(tree: dict[str, Any], hidden: set[str]) -> None:
    """A provider that echoes its inputs gets none of the marks and none are lost."""
    marked = {key: wire.secret(value) if key in hidden else value for key, value in tree.items()}
    assert wire.with_secrets_of(marked, wire.plain(marked)) == marked


def test_a_secret_in_another_shape_hides_all() -> None:
    """Where a provider reshapes a value, nothing of it stays plain by accident."""
    source = {"list": [wire.secret("x"), "y"]}
    assert wire.signed(wire.with_secrets_of(source, {"list": "x,y"})["list"], wire.SECRET)


@given(st.lists(st.integers(0, 99) | st.text(min_size=1), min_size=1))
def test_written_paths_parse_to_themselves(parts: list[str | int]) -> None:
    """Dots, quotes and brackets in keys are no trouble."""
    path = tuple(part if isinstance(part, int) or part != paths.WILDCARD else "star" for part in parts)
    if isinstance(path[0], int):
        path = ("root", *path)
    assert paths.parse(paths.write(path)) == path


@given(st.text(alphabet=string.printable))
def test_any_text_is_some_path(text: str) -> None:
    """A path from a program never raises."""
    assert isinstance(paths.parse(text), tuple)


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        ("labels", {"labels": {"a": 1}, "list": [{"x": 2}, {"x": 3}]}),
        ("labels.a", {"labels": {"a": 1, "b": 2}, "list": [{"x": 2}, {"x": 3}]}),
        ('labels["b"]', {"labels": {"a": 9}, "list": [{"x": 2}, {"x": 3}]}),
        ("list[0].x", {"labels": {"a": 9, "b": 2}, "list": [{"x": 0}, {"x": 3}]}),
        ("list[*].x", {"labels": {"a": 9, "b": 2}, "list": [{"x": 0}, {"x": 1}]}),
        ("gone", {"labels": {"a": 9, "b": 2}, "list": [{"x": 2}, {"x": 3}], "gone": True}),
        ("nowhere.at.all", {"labels": {"a": 9, "b": 2}, "list": [{"x": 2}, {"x": 3}]}),
    ],
)
def test_ignored_changes_keep_the_old_value(ignored: str, expected: dict[str, Any]) -> None:
    """IgnoreChanges puts back what was there, or takes away what was not, at that path alone."""
    old = {"labels": {"a": 1}, "list": [{"x": 0}, {"x": 1}], "gone": True}
    new = {"labels": {"a": 9, "b": 2}, "list": [{"x": 2}, {"x": 3}]}
    assert ignoring.keep_old(new, old, [ignored]) == expected


def test_differences_are_named_by_path() -> None:
    """Additions, deletions and updates, nested ones included; providers' own keys are left out."""
    old = {"a": 1, "b": {"c.d": 1}, "l": [1, 2], "__meta": "x", "same": [1]}
    new = {"a": 2, "b": {"c.d": 1, "e": 1}, "l": [1], "__meta": "y", "same": [1]}
    found = {path: change.kind for path, change in compare(old, new).items()}
    assert found == {"a": "update", "b.e": "add", "l[1]": "delete"}


def test_urns_name_types_of_ancestors() -> None:
    """A parent's type prefixes its children's, the stack's does not."""
    stack = names.make_urn("s", "p", "", names.STACK_TYPE, "p-s")
    parent = names.make_urn("s", "p", stack, "my:index:Box", "box")
    child = names.make_urn("s", "p", parent, "my:index:Item", "a::b")
    assert parent == "urn:pulumi:s::p::my:index:Box::box"
    assert child == "urn:pulumi:s::p::my:index:Box$my:index:Item::a::b"
    assert (names.type_of(child), names.name_of(child)) == ("my:index:Item", "a::b")
    assert names.is_default_provider("urn:pulumi:s::p::pulumi:providers:gcp::default_10_2_0")
    assert not names.is_default_provider("urn:pulumi:s::p::pulumi:providers:gcp::mine")


@pytest.mark.parametrize(("text", "expected"), [("90s", 90.0), ("1h30m", 5400.0), ("1.5m", 90.0), ("250ms", 0.25)])
def test_durations_are_gos(text: str, expected: float) -> None:
    """CustomTimeouts are read as Go writes durations."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "5 m", "-1s"])
def test_a_bad_duration_says_how_to_write_one(text: str) -> None:
    """A timeout that is none is refused."""
    with pytest.raises(StepError, match="10m"):
        seconds(text)


def test_shown_values_hide_secrets_and_name_unknowns() -> None:
    """A line of a diff never shows a secret or the mark of an unknown."""
    assert shown(UNKNOWN) == "(known after up)"
    assert shown(wire.masked({"a": wire.secret("x")})) == '{"a": "[secret]"}'
    assert shown([UNKNOWN]) == "[(known after up)]"
    assert len(shown("x" * 500, WIDTH)) == WIDTH
    assert len(shown("x" * 500)) == 502


def test_an_asset_changes_with_its_file(tmp_path: Path) -> None:
    """Assets and archives carry the hash of their content, whatever names it."""
    file = tmp_path / "note.txt"
    tree = {"source": {wire.SIGNATURE: assets.ASSET, "path": "note.txt"}}
    folder = {"all": {wire.SIGNATURE: assets.ARCHIVE, "path": "."}}
    hashes = []
    for text in ("first", "first", "second"):
        file.write_text(text)
        hashes.append((assets.with_hashes(tree, tmp_path), assets.with_hashes(folder, tmp_path)))
    assert hashes[0] == hashes[1]
    assert hashes[0][0] != hashes[2][0]
    assert hashes[0][1] != hashes[2][1]
    inline = assets.with_hashes({wire.SIGNATURE: assets.ASSET, "text": "second"}, tmp_path)
    assert inline["hash"] == hashes[2][0]["source"]["hash"]
    file.unlink()
    with pytest.raises(StepError, match="cannot read the asset"):
        assets.with_hashes(tree, tmp_path)
