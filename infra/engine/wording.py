"""Steps and values in words: what changes, old => new."""

import json
from collections.abc import Mapping
from typing import Any

from infra.engine import paths
from infra.engine.object_diff import compare
from infra.engine.providers import UNKNOWN
from infra.engine.state import ResourceState
from infra.engine.steps import (
    CREATE,
    DELETE,
    DELETE_REPLACED,
    DISCARD,
    DISCARD_REPLACED,
    IMPORT,
    READ,
    REMOVE_PENDING,
    REPLACE,
    SAME,
    UPDATE,
    Step,
)
from infra.engine.wire import MASK, masked, plain

# Sign, done, to be done; the words that Pulumi's summaries use.
WORDS = {
    CREATE: ("+", "created", "to create"),
    UPDATE: ("~", "updated", "to update"),
    DELETE: ("-", "deleted", "to delete"),
    REPLACE: ("+-", "replaced", "to replace"),
    SAME: (" ", "unchanged", "unchanged"),
    IMPORT: ("=", "imported", "to import"),
    READ: (">", "read", "to read"),
    DISCARD: ("<", "forgotten", "to forget"),
    DISCARD_REPLACED: ("<", "forgotten", "to forget"),
    REMOVE_PENDING: ("-", "forgotten", "to forget"),
    DELETE_REPLACED: ("-", "deleted, for its replacement", "to delete, for its replacement"),
}
SUMMARY = (CREATE, UPDATE, DELETE, REPLACE, IMPORT, READ, DISCARD, SAME)
WIDTH = 72  # characters of a value that a line on a terminal shows


def leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name the values of nested maps by their paths, so that a line tells one of them: `models.decorator.version`."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def shown(value: Any, width: int = 0) -> str:
    """Write a value in a line, cut at `width` where one is given; secrets are masked, unknowns say so."""
    if value == UNKNOWN:
        return "(known after up)"
    if value == MASK:
        return MASK
    text = json.dumps(value, ensure_ascii=False).replace(f'"{UNKNOWN}"', "(known after up)")
    return text if not width or len(text) <= width else f"{text[: width - 1]}…"


def changes_of(step: Step, width: int = 0) -> list[str]:
    """Say what a step changes, one property a line; nothing for creations and deletions."""
    old, new = step.old, step.new
    if old is None or new is None or step.op not in (UPDATE, REPLACE):
        return []
    found = step.changes or compare(plain(old.inputs), plain(new.inputs))
    replacing = {path for path in found if found[path].kind.endswith("-replace")} | set(step.replace_keys)
    lines = [_line(path, old, new, path in replacing, width) for path in found if not path.startswith("__")]
    return [*lines, *(f"{key} (forces replacement)" for key in step.replace_keys if key not in _keys(found))]


def _keys(found: Any) -> set[str]:
    return {str(paths.parse(path)[0]) for path in found} | set(found)


def _line(path: str, old: ResourceState, new: ResourceState, replaces: bool, width: int) -> str:
    before, after = _values(paths.parse(path), old, new)
    mark = "  (forces replacement)" if replaces else ""
    if before == after:
        return f"{path}: {MASK} => {MASK}{mark}"
    if before is None:
        return f"{path}: {shown(after, width)}  (new){mark}"
    return f"{path}: {shown(before, width)} => {'(none)' if after is None else shown(after, width)}{mark}"


def _values(path: paths.Path, old: ResourceState, new: ResourceState) -> tuple[Any, Any]:
    # Inputs say what the program changed, outputs what has drifted; the last pair is a provider's own finding.
    trees = ((old.inputs, new.inputs), (old.outputs, new.outputs), (old.outputs, new.inputs))
    pairs = [(paths.look_up(masked(before), path), paths.look_up(masked(after), path)) for before, after in trees]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])
