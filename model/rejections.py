"""A line that is not predicted: its key, a code for machines, and a sentence that names field and value."""

import json
import math
import re
from functools import lru_cache
from typing import Any

import msgspec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
KEY = "key"
KEY_TYPES = {int, float, str}  # a decoder makes no subclasses, and true is no key
KEY_WITHIN = 1 << 20  # bytes of a line in which a key is looked for
SHOWN = 60  # characters of a value that a message repeats
VALUE_IN_TEXT = rb'\s*:\s*(-?\d{1,4000}(?=[\s,}\]])|"(?:[^"\\]|\\.)*")'


class Rejection(msgspec.Struct, frozen=True, gc=False):
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


Key = int | float | str | None
_decode_keyed, _decode, _encode = (
    msgspec.json.Decoder(_Keyed).decode,
    msgspec.json.Decoder().decode,
    msgspec.json.encode,
)
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def read_key(line: bytes, name: str = KEY) -> Key:
    """Return the line's key as far as one can be read from what may not even be JSON; `name` is its field's."""
    try:
        return as_key(_decode_keyed(line).key if name == KEY else _decode_object(line).get(name))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return key_in_text(line, name)


def as_key(value: Any) -> Key:
    """Return a value if it can be a key."""
    return value if type(value) in KEY_TYPES else None


def key_in_text(line: bytes, name: str = KEY) -> Key:
    """Return the key of a line that is no JSON, where it names but one."""
    found = _in_text(name).findall(line)
    try:
        return as_key(_decode(found[0])) if len(found) == 1 or len(set(found)) == 1 else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=4)
def _in_text(name: str) -> re.Pattern[bytes]:
    return re.compile(b'"%b"' % re.escape(name.encode()) + VALUE_IN_TEXT)


def shown(value: Any) -> str:
    """Return a value as JSON, cut to what fits in a message."""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else json.dumps(value)
    text = _encode(value).decode()
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def field_at(path: str) -> str:
    """Return what messages call the place of a value; an empty path is that of the line's own."""
    return f"field {path!r}" if path else "the line"


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
