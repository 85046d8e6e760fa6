"""JSON scalars as the discovery documents type them: checked as Google checks them, returned in one canonical form."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")
TIMESTAMP_HELP = "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."
DURATION_HELP = "Illegal duration format; duration must end with 's'"


class UnfitError(ValueError):
    """A value that its type does not take; carries the type as Google's text names it and what follows."""

    def __init__(self, kind: str, tail: str) -> None:
        super().__init__(tail)
        self.kind = kind
        self.tail = tail


def scalar(schema: Json, value: Any) -> Any:
    """Return the value in canonical form (int64 as text, enums by name); raises UnfitError."""
    if "enum" in schema:
        return _enum(schema, value)
    kind, form = schema.get("type"), schema.get("format", "")
    if form in RANGES:
        return _integer(form, value, as_text=kind == "string")
    if kind == "boolean":
        return _boolean(value)
    if kind == "number":
        return _number(form, value)
    return _text(form, value)


def shown(value: Any) -> str:
    """Write a refused value as Google's texts do."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def _enum(schema: Json, value: Any) -> str:
    names: list[str] = schema["enum"]
    if isinstance(value, str) and (value in names or not names):
        return value
    # Clients that ask for `enum-encoding=int` send numbers; documents list the values in the order of their numbers.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    raise UnfitError("TYPE_ENUM", shown(value))


def _integer(form: str, value: Any, *, as_text: bool) -> int | str:
    low, high = RANGES[form]
    number = _whole(value)
    if number is None or not low <= number <= high:
        raise UnfitError(f"TYPE_{form.upper()}", shown(value))
    return str(number) if as_text else number


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value) else None


def _boolean(value: Any) -> bool:
    if value in ("true", "false", "True", "False"):  # google-cloud-storage's queries have Python's spelling
        return value in ("true", "True")
    if not isinstance(value, bool):
        raise UnfitError("TYPE_BOOL", shown(value))
    return value


def _number(form: str, value: Any) -> float | int | str:
    kind = "TYPE_FLOAT" if form == "float" else "TYPE_DOUBLE"
    if value in ("NaN", "Infinity", "-Infinity"):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnfitError(kind, shown(value))
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise UnfitError(kind, shown(value)) from None
    if not math.isfinite(number):
        raise UnfitError(kind, shown(value))
    return number if isinstance(value, str) else value


def _text(form: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError("TYPE_STRING", shown(value))
    CHECKS.get(form, _anything)(value)
    return value


def _anything(value: str) -> None:
    """Accept any text."""


def _bytes(value: str) -> None:
    padded = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnfitError("TYPE_BYTES", f'Base64 decoding failed for "{value}"') from None


def _timestamp(value: str) -> None:
    if not is_timestamp(value):
        raise UnfitError("type.googleapis.com/google.protobuf.Timestamp", TIMESTAMP_HELP)


def is_timestamp(value: str) -> bool:
    """Tell whether a text is a time that there is, between the years 1 and 9999 in UTC."""
    try:
        return bool(TIMESTAMP.fullmatch(value) and datetime.fromisoformat(value).astimezone(UTC))
    except (ValueError, OverflowError):
        return False


def _duration(value: str) -> None:
    if not DURATION.fullmatch(value):
        raise UnfitError("type.googleapis.com/google.protobuf.Duration", DURATION_HELP)


CHECKS: dict[str, Callable[[str], None]] = {
    "byte": _bytes,
    "date-time": _timestamp,
    "google-datetime": _timestamp,
    "google-duration": _duration,
}
