"""What the decoder raised on a line -> its rejection. One bad line in ten must not make a run slow."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from model.not_json import no_text, read_loosely, reject_unreadable
from model.rejections import Rejection, as_key, field_at, read_key, shown

MISSING = re.compile(r"missing required field `(.+?)`")
UNKNOWN = re.compile(r"contains unknown field `(.+?)`(?: - at|$)")
LENGTH = re.compile(r"Expected `array` of length (?:[<>]= )?(\d+)")
BOUND = re.compile(r"Expected `int` ([<>]=) (-?\d+)")
TYPES = re.compile(r"Expected `(.+?)`, got `(.+?)`")
PATH = re.compile(r" - at `\$\.?(.*)`$")
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
JSON_NAMES = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bytes": "base64 text",
    "bool": "true or false",
    "array": "a list",
}
Refused = Mapping[tuple[type[Exception], str], Sequence[int]]  # what the decoder raised and said -> of which lines
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Steps = tuple[str | int, ...]
DIFFERENT_MESSAGES = 4096  # one per kind of fault and place in an instance

_decode = msgspec.json.Decoder().decode


class Form(NamedTuple):
    """What a decoder's message says, whatever the line's values are: a code, and how to put it for the value there."""

    code: str
    steps: Steps
    tell: Callable[[Any], str] | str  # a text that needs no value as it is


def reject_all(refused: Refused, lines: Sequence[bytes], places: Sequence[int], inputs: str) -> list[Rejection]:
    """Return the rejections of refused lines, whose positions are `places`; `inputs` names what the model takes.

    Lines of which the decoder said the same are explained together, in a fraction of the time.
    """
    rejections: list[Rejection] = []
    for (kind, message), positions in refused.items():
        alike, where = [lines[at] for at in positions], [places[at] for at in positions]
        if kind is msgspec.ValidationError:
            rejections += _reject_alike(_form(message, inputs), alike, where)
        else:
            rejections += reject_unreadable(kind, message, alike, where)
    return sorted(rejections, key=attrgetter("at"))


def _reject_alike(form: Form, lines: Sequence[bytes], places: Sequence[int]) -> Iterable[Rejection]:
    code, steps, tell = form
    if isinstance(tell, str):
        return [Rejection(at, read_key(line), code, tell) for line, at in zip(lines, places, strict=True)]
    try:
        values = list(map(_decode, lines))
    except NOT_JSON:  # one of them is not JSON behind the place that the decoder refused
        if len(lines) == 1:
            return [_reject_loosely(code, steps, tell, lines[0], places[0])]
        return chain.from_iterable(_reject_alike(form, [line], [at]) for line, at in zip(lines, places, strict=True))
    told = map(tell, _values_at(values, steps))
    keys = [as_key(value.get("key")) if type(value) is dict else None for value in values]
    return [Rejection(at, key, code, text) for at, key, text in zip(places, keys, told, strict=True)]


def _reject_loosely(code: str, steps: Steps, tell: Callable[[Any], str], line: bytes, at: int) -> Rejection:
    """Return the rejection of a line that is not JSON behind the place that the decoder refused."""
    if fault := no_text(line):
        return Rejection(at, *fault)
    return Rejection(at, read_key(line), code, tell(_value_at(read_loosely(line), steps)))


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
        return Form("WRONG_LENGTH", steps, _length_teller(field_at(path), f"expected {match.group(1)}"))
    code, text = _wrong_value(message)
    return Form(code, steps, _value_teller(field_at(path), text))


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


def _values_at(values: Sequence[Any], steps: Steps) -> Sequence[Any]:
    """Return the value in each of the values that a message's path (`features[3]`) points to."""
    try:
        for step in steps:
            values = [value[step] for value in values]
    except (LookupError, TypeError):
        return [_value_at(value, steps) for value in values]
    return values


def _value_at(value: Any, steps: Steps) -> Any:
    """Return the value that a path points to; one that leads nowhere gives None."""
    try:
        for step in steps:
            value = value[step]
    except (LookupError, TypeError):
        return None
    return value
