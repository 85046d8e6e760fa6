"""What the decoder raised on a line -> its rejection. One bad line in ten must not make a run slow."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from model.rejections import BYTE_ORDER_MARK, Key, Rejection, as_key, key_in_text, read_key, shown

NOT_FINITE = re.compile(rb"-?(nan|inf(inity)?)\b", re.IGNORECASE)
MISSING = re.compile(r"missing required field `(.+?)`")
UNKNOWN = re.compile(r"contains unknown field `(.+?)`(?: - at|$)")
LENGTH = re.compile(r"Expected `array` of length (?:[<>]= )?(\d+)")
BOUND = re.compile(r"Expected `int` ([<>]=) (-?\d+)")
TYPES = re.compile(r"Expected `(.+?)`, got `(.+?)`")
PATH = re.compile(r" - at `\$\.?(.*)`$")
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
BYTE = re.compile(r"\(byte (\d+)\)")
JSON_NAMES = {"int": "an integer", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list"}
Refused = tuple[int, bytes, Exception]  # a line's position, the line, and what the decoder raised on it
STAND_IN = "\x00not a finite number\x00"  # no text of a user's
STAND_IN_JSON = msgspec.json.encode(STAND_IN)
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
DIFFERENT_MESSAGES = 4096  # one per kind of fault and place in an instance

_decode = msgspec.json.Decoder().decode


class Form(NamedTuple):
    """What a decoder's message says, whatever the line's values are: a code, and how to put it for the value there."""

    code: str
    steps: tuple[str | int, ...]
    tell: Callable[[Any], str] | str  # a text that needs no value as it is


def reject_all(found: Iterable[Refused], inputs: str) -> list[Rejection]:
    """Return the rejections of lines for what the decoder raised on them; `inputs` names what the model takes.

    Lines of which the decoder said the same are explained together, in a fraction of the time.
    """
    rejections: list[Rejection] = []
    alike = defaultdict[str, list[tuple[int, bytes]]](list)
    for at, line, error in found:
        if type(error) is msgspec.ValidationError:
            alike[error.args[0]].append((at, line))
        else:
            rejections.append(Rejection(at, *_unreadable(line, error)))
    for message, lines in alike.items():
        rejections += _reject_alike(_form(message, inputs), lines)
    return sorted(rejections, key=itemgetter(0))


def _reject_alike(form: Form, lines: Sequence[tuple[int, bytes]]) -> Iterable[Rejection]:
    code, steps, tell = form
    if isinstance(tell, str):
        return [Rejection(at, read_key(line), code, tell) for at, line in lines]
    try:
        values = [_decode(line) for _, line in lines]
    except NOT_JSON:  # one of them is not JSON behind the place that the decoder refused
        if len(lines) == 1:
            at, line = lines[0]
            text = tell(_value_at(_loosely(line), steps))
            return [Rejection(at, *(_no_text(line) or (read_key(line), code, text)))]
        return chain.from_iterable(_reject_alike(form, [line]) for line in lines)
    told = [tell(value) for value in _values_at(values, steps)]
    keys = [_key_of(value) for value in values]
    return [Rejection(at, key, code, text) for (at, _), key, text in zip(lines, keys, told, strict=True)]


def _key_of(value: Any) -> Key:
    return as_key(value.get("key")) if type(value) is dict else None


def _unreadable(line: bytes, error: Exception) -> tuple[Key, str, str]:
    """Return key, code and message for a line that is not JSON."""
    if fault := _no_text(line):
        return fault
    if isinstance(error, RecursionError):
        return key_in_text(line), "INVALID_JSON", "the line is nested too deeply"
    return _invalid_json(line, str(error))


def _no_text(line: bytes) -> tuple[Key, str, str] | None:
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
    if "truncated" in message and b"\\u" in line and SURROGATE.search(line) and _loosely(line) is not None:
        return key_in_text(line), "INVALID_UTF8", "a text of the line holds half of a surrogate pair, which is no text"
    if "truncated" in message:
        return key_in_text(line), "INVALID_JSON", f"the line ends inside a JSON value: …{shown(_text(line[-20:]))}"
    place = BYTE.search(message)
    position = int(place.group(1)) if place else 0
    number = NOT_FINITE.match(line, position)
    if number:
        key, path, value = _not_finite(line, number)
        return key, "NOT_FINITE", f"{_field(path)} is {value}: JSON has only finite numbers"
    start = max(0, position - 10)
    text = shown(_text(line[start : position + 20]))
    return key_in_text(line), "INVALID_JSON", f"not JSON at byte {position + 1}: {text}"


def _not_finite(line: bytes, number: "re.Match[bytes]") -> tuple[Key, str, str]:
    """Return key, path and value of a line's first NaN or Infinity."""
    try:
        value = msgspec.json.decode(line[: number.start()] + STAND_IN_JSON + line[number.end() :])
        return _key_of(value), _path_to(STAND_IN, value, "") or "", _text(number.group())
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


@lru_cache(DIFFERENT_MESSAGES)
def _form(message: str, inputs: str) -> Form:
    """Return what a message of the decoder says."""
    found = PATH.search(message)
    path = found.group(1) if found else ""
    steps = tuple(int(index) if index else name for name, index in STEP.findall(path))
    if "missing" in message and (match := MISSING.search(message)):
        return Form("MISSING_FIELD", steps, f"field {match.group(1)!r} is missing: the model takes {inputs}")
    if "unknown" in message and (match := UNKNOWN.search(message)):
        return Form("UNKNOWN_FIELD", steps, f"field {match.group(1)!r} is no input of the model: it takes {inputs}")
    if "length" in message and (match := LENGTH.search(message)):
        return Form("WRONG_LENGTH", steps, _length_teller(_field(path), f"expected {match.group(1)}"))
    code, text = _wrong_value(message)
    return Form(code, steps, _value_teller(_field(path), text))


def _value_teller(field: str, text: str) -> Callable[[Any], str]:
    return lambda value: f"{field} is {shown(value)}: {text}"


def _length_teller(field: str, text: str) -> Callable[[Any], str]:
    def tell(value: Any) -> str:
        count = f"has {len(value)} values" if isinstance(value, list) else "has another length"
        return f"{field} {count}: {text}"

    return tell


def _wrong_value(message: str) -> tuple[str, str]:
    if "= " in message and (match := BOUND.search(message)):
        return "OUT_OF_RANGE", f"expected {match.group(1)} {match.group(2)}"
    if "out of range" in message:
        return "OUT_OF_RANGE", "beyond a 64-bit float"
    if "base64" in message:
        return "INVALID_BASE64", "not base64"
    if match := TYPES.search(message):
        expected = " or ".join(JSON_NAMES.get(name, f"an {name}") for name in match.group(1).split(" | "))
        return "WRONG_TYPE", f"expected {expected}"
    return "INVALID_INSTANCE", message


def _field(path: str) -> str:
    return f"field {path!r}" if path else "the line"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _values_at(values: Sequence[Any], steps: tuple[str | int, ...]) -> Sequence[Any]:
    """Return the value in each of the values that a message's path (`features[3]`) points to."""
    try:
        for step in steps:
            values = [value[step] for value in values]
    except (LookupError, TypeError):
        return [_value_at(value, steps) for value in values]
    return values


def _value_at(value: Any, steps: tuple[str | int, ...]) -> Any:
    """Return the value that a path points to; one that leads nowhere gives None."""
    try:
        for step in steps:
            value = value[step]
    except (LookupError, TypeError):
        return None
    return value


def _loosely(line: bytes) -> Any:
    """Return a line's value as Python reads it, numbers beyond a float as infinite ones; None where it cannot."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
