"""Lines that are not JSON -> their rejections."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from model.rejections import BYTE_ORDER_MARK, Key, Rejection, as_key, field_at, key_in_text, shown

NOT_FINITE = re.compile(rb"-?(nan|inf(inity)?)\b", re.IGNORECASE)
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
BYTE = re.compile(r"\(byte (\d+)\)")
TRUNCATED = "truncated"  # what the decoder says of a line that ends too early
HALF_A_CHARACTER = "a text of the line holds half of a surrogate pair, which is no text"
STAND_IN = "\x00not a finite number\x00"  # no text of a user's
STAND_IN_JSON = msgspec.json.encode(STAND_IN)


def reject_unreadable(
    kind: type[Exception], message: str, lines: Sequence[bytes], places: Sequence[int]
) -> Iterable[Rejection]:
    """Return the rejections of lines on all of which the decoder raised the same, with the same message."""
    if TRUNCATED in message and _are_plain_text(b"\n".join(lines)):
        return [Rejection(at, *_truncated(line)) for line, at in zip(lines, places, strict=True)]
    return [Rejection(at, *_unreadable(line, kind, message)) for line, at in zip(lines, places, strict=True)]


def _are_plain_text(text: bytes) -> bool:
    """Tell whether a text has nothing in it that needs a look at each of its lines."""
    return b"\\u" not in text and BYTE_ORDER_MARK not in text and no_text(text) is None


def _unreadable(line: bytes, kind: type[Exception], message: str) -> tuple[Key, str, str]:
    """Return key, code and message for a line that is not JSON."""
    if fault := no_text(line):
        return fault
    if issubclass(kind, RecursionError):
        return key_in_text(line), "INVALID_JSON", "the line is nested too deeply"
    return _invalid_json(line, message)


def _truncated(line: bytes) -> tuple[Key, str, str]:
    return key_in_text(line), "INVALID_JSON", f"the line ends inside a JSON value: …{shown(_text(line[-20:]))}"


def no_text(line: bytes) -> tuple[Key, str, str] | None:
    """Return key, code and message for a line that is no text, or starts as none."""
    if line.startswith(BYTE_ORDER_MARK):
        return key_in_text(line), "BYTE_ORDER_MARK", "the file starts with a UTF-8 byte order mark: save it without one"
    try:
        line.decode()
    except UnicodeDecodeError as fault:
        place = f"byte {fault.start + 1} of the line (0x{line[fault.start]:02x})"
        return key_in_text(line), "INVALID_UTF8", f"{place} is not UTF-8"
    return None


def _invalid_json(line: bytes, message: str) -> tuple[Key, str, str]:
    if TRUNCATED in message:
        if b"\\u" in line and SURROGATE.search(line) and read_loosely(line) is not None:
            return key_in_text(line), "INVALID_UTF8", HALF_A_CHARACTER
        return _truncated(line)
    place = BYTE.search(message)
    position = int(place.group(1)) if place else 0
    number = NOT_FINITE.match(line, position)
    if number:
        key, path, value = _not_finite(line, number)
        return key, "NOT_FINITE", f"{field_at(path)} is {value}: JSON has only finite numbers"
    start = max(0, position - 10)
    text = shown(_text(line[start : position + 20]))
    return key_in_text(line), "INVALID_JSON", f"not JSON at byte {position + 1}: {text}"


def _not_finite(line: bytes, number: "re.Match[bytes]") -> tuple[Key, str, str]:
    """Return key, path and value of a line's first NaN or Infinity."""
    try:
        value = msgspec.json.decode(line[: number.start()] + STAND_IN_JSON + line[number.end() :])
        key = as_key(value.get("key")) if type(value) is dict else None
        path = _path_to(STAND_IN, value, "") or ""
        return None if key == STAND_IN else key, path, _text(number.group())
    except (msgspec.MsgspecError, RecursionError):
        pass  # there are more of them
    try:
        found = ((path, leaf) for path, leaf in _leaves(json.loads(line), "") if _is_not_finite(leaf))
        path, leaf = next(found, ("", None))
    except (ValueError, RecursionError):
        path, leaf = "", None
    return key_in_text(line), path, _text(number.group()) if leaf is None else json.dumps(leaf)


def _path_to(text: str, value: Any, path: str) -> str | None:
    """Return the path to a text that stands somewhere in a value."""
    if isinstance(value, list):
        if text in value:
            return f"{path}[{value.index(text)}]"
        items = ((f"{path}[{place}]", item) for place, item in enumerate(value) if isinstance(item, list | dict))
    elif isinstance(value, dict):
        items = ((f"{path}.{name}" if path else name, item) for name, item in value.items())
    else:
        return path if value == text else None
    return next((found for inner, item in items if (found := _path_to(text, item, inner)) is not None), None)


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every value that is no container, with its path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _leaves(item, f"{path}[{position}]")
    else:
        yield path, value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def read_loosely(line: bytes) -> Any:
    """Return a line's value as Python reads it, numbers beyond a float as infinite ones; None where it cannot."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
