"""Two property trees compared, path by path."""

from collections.abc import Mapping
from typing import Any

from infra.engine.paths import Path, write
from infra.engine.providers import PropertyDiff


def compare(old: Mapping[str, Any], new: Mapping[str, Any], *, input_diff: bool = False) -> dict[str, PropertyDiff]:
    """Return what differs, by path; keys that providers keep for themselves (`__…`) are no difference."""
    found: dict[str, PropertyDiff] = {}
    _compare((), _shown(old), _shown(new), found, input_diff)
    return found


def _shown(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if not key.startswith("__") and item is not None}


def _compare(path: Path, old: Any, new: Any, found: dict[str, PropertyDiff], input_diff: bool) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            _compare((*path, key), old.get(key), new.get(key), found, input_diff)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            _compare((*path, index), before, after, found, input_diff)
    elif old != new:
        kind = PropertyDiff("add" if old is None else "delete" if new is None else "update", input_diff)
        found[write(path)] = kind
