"""Keys: what ties a prediction to its instance, and which of them each wrapper can carry."""

from collections.abc import Iterable, Sequence
from typing import Literal

from model.errors import UserError

Key = int | str
KeyType = Literal["int64", "string"]
Wrapper = Literal["functional", "decorator"]

KEY_TYPES: tuple[KeyType, ...] = ("int64", "string")
WRAPPERS: tuple[Wrapper, ...] = ("functional", "decorator")

FLOAT32_EXACT = 2**24  # float32 has a 24-bit significand: 16777217 would come back as 16777216
FLOAT64_EXACT = 2**53  # the same for the doubles that JSON numbers become on the way
INT64 = range(-(2**63), 2**63)

INEXACT_KEY = (
    f"does not fit the functional wrapper: it returns keys as float32, which is exact up to {FLOAT32_EXACT} only. "
    "Use the decorator wrapper"
)


def make_keys(count: int, key_type: KeyType = "int64") -> Sequence[Key]:
    """Make keys for `count` rows: 0, 1, … or their names as text."""
    if key_type == "string":
        return [f"row-{number}" for number in range(count)]
    return range(count)


def check_keys(keys: Iterable[Key], wrapper: Wrapper) -> None:
    """Raise UserError, naming the key and the other wrapper, at the first key that `wrapper` cannot carry."""
    for key in keys:
        reason = _refusal(key, wrapper)
        if reason:
            raise UserError(f"Key {key!r} {reason}")


def _refusal(key: object, wrapper: Wrapper) -> str:
    """Say why a key cannot be carried, or nothing."""
    if isinstance(key, bool) or not isinstance(key, int | str):
        return f"is {type(key).__name__}, neither an integer nor a string. Give each instance an integer key"
    if wrapper == "functional" and isinstance(key, str):
        return "is text: the functional wrapper returns keys as numbers. Use the decorator wrapper"
    if wrapper == "functional" and isinstance(key, int) and abs(key) > FLOAT32_EXACT:
        return INEXACT_KEY
    if isinstance(key, int) and key not in INT64:
        return "is beyond 64 bits. Use a string key: invoke export --key-type string"
    return ""
