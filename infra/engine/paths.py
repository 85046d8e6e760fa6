"""Property paths of resource options: `labels.env`, `rules[0].age`, `tags["a.b"]`, `items[*].name`."""

import copy
import re
from collections.abc import Iterable
from typing import Any

from infra.engine.providers import Properties
from infra.engine.wire import SECRET, signed

Path = tuple[str | int, ...]
WILDCARD = "*"

# A bare key, ["quoted key"], [3] or [*]; keys are separated by dots.
_PART = re.compile(r"""\.?(?:\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[(\*)\]|([^.\[\]]+))""")


def parse(text: str) -> Path:
    """Split a property path; a text that is none is taken as one key."""
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            return (text,)
        quoted, index, star, key = match.groups()
        parts.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else int(index) if index else star or key)
        position = match.end()
    return tuple(parts)


def write(path: Path) -> str:
    """Write a path as Pulumi does: dots where keys allow it, quotes where they do not."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_$][\w$]*", part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def covers(wide: Path, narrow: Path) -> bool:
    """Tell whether a path, wildcards included, names `narrow` or something that contains it."""
    if len(wide) > len(narrow):
        return False
    return all(a in (WILDCARD, b) for a, b in zip(wide, narrow, strict=False))


def look_up(value: Any, path: Path) -> Any:
    """Return what stands at a path; None where nothing does."""
    for part in path:
        value = _opened(value)
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def keep_old(inputs: Properties, old: Properties, paths: Iterable[str]) -> Properties:
    """Put the old values back where a program asked to ignore changes."""
    kept = copy.deepcopy(inputs)
    for path in paths:
        _reset(kept, old, parse(path))
    return kept


def _opened(value: Any) -> Any:
    return value.get("value") if signed(value, SECRET) else value


def _reset(new: Any, old: Any, path: Path) -> None:
    new, old = _opened(new), _opened(old)
    for part in _parts(new, old, path[0]):
        if isinstance(new, dict) and isinstance(old, dict):
            _reset_in_dict(new, old, str(part), path[1:])
        elif isinstance(new, list) and isinstance(old, list) and isinstance(part, int):
            _reset_in_list(new, old, part, path[1:])


def _parts(new: Any, old: Any, part: str | int) -> list[str | int]:
    if part != WILDCARD:
        return [part]
    if isinstance(new, dict) and isinstance(old, dict):
        return sorted({*new, *old})
    return list(range(min(len(new), len(old)))) if isinstance(new, list) and isinstance(old, list) else []


def _reset_in_dict(new: dict[str, Any], old: dict[str, Any], key: str, rest: Path) -> None:
    if rest:
        if key in new and key in old:
            _reset(new[key], old[key], rest)
    elif key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def _reset_in_list(new: list[Any], old: list[Any], index: int, rest: Path) -> None:
    if index >= len(new) or index >= len(old):
        return
    if rest:
        _reset(new[index], old[index], rest)
    else:
        new[index] = old[index]
