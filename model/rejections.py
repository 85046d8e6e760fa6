"""A refused line -> why: a code for machines, and a sentence that names field and value."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHOWN = 60  # characters of a value that a message repeats
KEY_IN_TEXT = re.compile(rb'"key"\s*:\s*(-?\d{1,4000}(?![\d.eE])|"(?:[^"\\]|\\.)*")')
NOT_FINITE = re.compile(rb"-?(nan|inf(inity)?)\b", re.IGNORECASE)
MISSING = re.compile(r"missing required field `(.+?)`")
UNKNOWN = re.compile(r"contains unknown field `(.+?)`(?: - at|$)")
LENGTH = re.compile(r"Expected `array` of length (?:[<>]= )?(\d+)")
BOUND = re.compile(r"Expected `int` ([<>]=) (-?\d+)")
TYPES = re.compile(r"Expected `(.+?)`, got `(.+?)`")
PATH = re.compile(r" - at `\$\.?(.*)`$")
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
BYTE = re.compile(r"\(byte (\d+)\)")
JSON_NAMES = {"int": "an integer", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list"}


class Rejection(NamedTuple):
    """A line that is not predicted: its position among the lines given, its key where one can be read, and why.

    `batch` is where its batch begins, where the whole of it failed.
    """

    at: int
    key: int | float | str | None
    code: str
    message: str
    batch: str = ""


class _Keyed(msgspec.Struct):
    key: Any = None


_key_decoder = msgspec.json.Decoder(_Keyed)


def read_key(line: bytes) -> int | float | str | None:
    """Return the line's key as far as one can be read from what may not even be JSON."""
    try:
        key = _key_decoder.decode(line).key
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        key = _key_in_text(line)
    return key if isinstance(key, int | float | str) and not isinstance(key, bool) else None


def _key_in_text(line: bytes) -> Any:
    found = {match.group(1) for match in KEY_IN_TEXT.finditer(line)}
    try:
        return msgspec.json.decode(found.pop()) if len(found) == 1 else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def explain(line: bytes, error: Exception, inputs: str) -> tuple[str, str]:
    """Return code and message for what the decoder raised on a line; `inputs` names what the model takes."""
    if line.startswith(BYTE_ORDER_MARK):
        return "BYTE_ORDER_MARK", "the file starts with a UTF-8 byte order mark: save it without one"
    if not _is_utf8(line):
        return _invalid_utf8(line)
    if isinstance(error, RecursionError):
        return "INVALID_JSON", "the line is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return _invalid_instance(line, str(error), inputs)
    return _invalid_json(line, str(error))


def shown(value: Any) -> str:
    """Return a value as JSON, cut to what fits in a message."""
    text = json.dumps(value) if isinstance(value, float) else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def duplicate_field(line: bytes) -> str | None:
    """Return the first name that an object of this line has twice."""
    seen: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        seen.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    try:
        json.loads(line, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return None
    return seen[0] if seen else None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _invalid_utf8(line: bytes) -> tuple[str, str]:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return "INVALID_UTF8", f"byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8"
    return "INVALID_UTF8", "the line is not UTF-8"


def _invalid_json(line: bytes, message: str) -> tuple[str, str]:
    if "truncated" in message:
        return "INVALID_JSON", f"the line ends inside a JSON value: …{shown(_text(line[-20:]))}"
    place = BYTE.search(message)
    position = int(place.group(1)) if place else 0
    number = NOT_FINITE.match(line, position)
    if number:
        path, value = next(_non_finite(line), ("", _text(number.group())))
        return "NOT_FINITE", f"{_field(path)} is {value}: JSON has only finite numbers"
    start = max(0, position - 10)
    return "INVALID_JSON", f"not JSON at byte {position + 1}: {shown(_text(line[start : position + 20]))}"


def _non_finite(line: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from _walk(json.loads(line), "")
    except (ValueError, RecursionError):
        return


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, json.dumps(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk(item, f"{path}[{position}]")


def _invalid_instance(line: bytes, message: str, inputs: str) -> tuple[str, str]:
    path_match = PATH.search(message)
    path = path_match.group(1) if path_match else ""
    if "missing" in message and (match := MISSING.search(message)):
        return "MISSING_FIELD", f"field {match.group(1)!r} is missing: the model takes {inputs}"
    value = _value_at(line, path)
    if "unknown" in message and (match := UNKNOWN.search(message)):
        name = match.group(1)
        return "UNKNOWN_FIELD", f"field {name!r} is no input of the model: it takes {inputs}"
    if "length" in message and (match := LENGTH.search(message)):
        count = f"has {len(value)} values" if isinstance(value, list) else "has another length"
        return "WRONG_LENGTH", f"{_field(path)} {count}: expected {match.group(1)}"
    return _wrong_value(message, path, value)


def _wrong_value(message: str, path: str, value: Any) -> tuple[str, str]:
    is_value = f"{_field(path)} is {shown(value)}"
    if "= " in message and (match := BOUND.search(message)):
        return "OUT_OF_RANGE", f"{is_value}: expected {match.group(1)} {match.group(2)}"
    if "out of range" in message:
        return "OUT_OF_RANGE", f"{is_value}: beyond a 64-bit float"
    if "base64" in message:
        return "INVALID_BASE64", f"{is_value}: not base64"
    if match := TYPES.search(message):
        expected = " or ".join(JSON_NAMES.get(name, f"an {name}") for name in match.group(1).split(" | "))
        return "WRONG_TYPE", f"{is_value}: expected {expected}"
    return "INVALID_INSTANCE", f"{is_value}: {message}"


def _field(path: str) -> str:
    return f"field {path!r}" if path else "the line"


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _value_at(line: bytes, path: str) -> Any:
    """Return the value that a message's path (`features[3]`) points to; a path that leads nowhere gives None."""
    try:
        value = _loosely(line)
        for name, index in STEP.findall(path):
            value = value[name] if name and isinstance(value, dict) else value[int(index or name)]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return value


def _loosely(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return json.loads(line)  # slower, and reads numbers beyond a float as infinite
