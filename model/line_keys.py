"""A line's fields and its key, exactly typed; where instances, predictions and errors agree.

A key travels as its JSON text: `1` and `"1"` differ, and nothing ever turns one into the other.
"""

from typing import Annotated

import msgspec
import orjson

from model.keys import FLOAT64_EXACT, INT64, Key
from model.rejections import as_key

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Int64 = Annotated[int, msgspec.Meta(ge=INT64[0], le=INT64[-1])]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def key_text(key: Key) -> str:
    """Return a key's JSON text."""
    return str(key) if isinstance(key, int) else orjson.dumps(key).decode()


def key_value(text: str) -> Key:
    """Return the key that a JSON text stands for."""
    value: Key = orjson.loads(text)
    return value


def read_fields(line: bytes) -> dict[str, bytes]:
    """Return the JSON text of each field. Raises ValueError."""
    try:
        return {name: bytes(raw) for name, raw in _object.decode(line).items()}
    except UNREADABLE as error:
        raise ValueError(f"is no JSON object: {error}") from None


def sent_key(fields: dict[str, bytes], name: str = "key") -> str | None:
    """Return the key that a user wrote: a wrong one, such as 1.0, is matched by its error record only."""
    key = as_key(orjson.loads(fields[name])) if name in fields else None
    return None if key is None else orjson.dumps(key).decode()


def exact_key(value: object, limit: int) -> str:
    """Return the JSON text of a key; whole floats are integers up to where `limit` says they are exact.

    Raises ValueError saying why a value is no key.
    """
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > limit:
            raise ValueError(f"has key {value!r}, which is no integer that survived as a float (up to {limit})")
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"has key {value!r}, neither an integer nor a string")
    if value not in INT64:
        raise ValueError(f"has key {value!r}, beyond 64 bits")
    return str(value)


def instance_key(raw: bytes) -> str | None:
    """Return the key inside an echoed instance, if it has one. Raises ValueError."""
    if not raw.lstrip().startswith(b"{"):
        return None
    fields = read_fields(raw)
    return exact_key(orjson.loads(fields["key"]), FLOAT64_EXACT) if "key" in fields else None
