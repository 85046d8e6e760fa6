"""Property paths of resource options: `labels.env`, `rules[0].age`, `tags["a.b"]`, `items[*].name`."""

import re
from typing import Any

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


def _opened(value: Any) -> Any:
    return value.get("value") if signed(value, SECRET) else value
