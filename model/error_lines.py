"""Error records, the engine's and the services' own -> what failed, by key where one is named."""

import ast
from dataclasses import dataclass

import orjson

from model.line_keys import instance_key, read_fields, sent_key

# Names of google.rpc.Code, by number
STATUSES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error record: the key as JSON text where the row had one.

    A service's own record stands for whole batches: how many rows these had, it does not say.
    """

    key: str | None
    code: str
    message: str
    batches: int = 0


def read_error(line: bytes) -> Failure:
    """Read an error record: JSON of ours, a service's `{"instance", "error"}`, or its tuple of message and count."""
    if line.startswith(b"("):
        return _tuple_failure(line)
    fields = read_fields(line)
    if "error" in fields:
        key = sent_key(fields) if "key" in fields else instance_key(fields.get("instance", b""))
        return service_failure(key, fields["error"])
    return Failure(sent_key(fields), _text(fields, "code", "UNKNOWN"), _text(fields, "message", ""))


def service_failure(key: str | None, raw: bytes) -> Failure:
    """Read what a service says of an instance: a google.rpc.Status, or a text."""
    error = orjson.loads(raw)
    known = error if isinstance(error, dict) else {}
    number = known.get("code")
    status = STATUSES[number] if isinstance(number, int) and 0 <= number < len(STATUSES) else "UNKNOWN"
    return Failure(key, str(known.get("status", status)), str(known.get("message", error)))


def _tuple_failure(line: bytes) -> Failure:
    """Read `('message', 16)`, a message and how many batches it took; no row is named."""
    try:
        message, batches = ast.literal_eval(line.decode())
        return Failure(None, "BATCH_FAILED", str(message), max(1, int(batches)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("is no tuple of message and count") from None


def _text(fields: dict[str, bytes], name: str, default: str) -> str:
    value = orjson.loads(fields[name]) if name in fields else default
    return value if isinstance(value, str) else str(value)
