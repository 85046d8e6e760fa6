"""Lines of instances, predictions and errors -> their keys, exactly typed, and what hangs on each key.

A key travels as its JSON text: `1` and `"1"` differ, and nothing ever turns one into the other.
"""

import ast
from dataclasses import dataclass
from typing import Annotated

import msgspec
import orjson

from model.keys import FLOAT32_EXACT, FLOAT64_EXACT, INT64, Key
from model.rejections import as_key, duplicate_field, read_key

KEYED_OUTPUT = "prediction_with_key"  # the functional form's vector: the prediction, then the key

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

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Int64 = Annotated[int, msgspec.Meta(ge=INT64[0], le=INT64[-1])]


class _PlainInstance(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Most instances: decoded at once, half the time of looking at each field."""

    features: msgspec.Raw
    key: _Int64 | str


class _PlainPrediction(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Most result lines, likewise."""

    prediction: msgspec.Raw
    key: _Int64 | str


_plain_instance = msgspec.json.Decoder(_PlainInstance)
_plain_prediction = msgspec.json.Decoder(_PlainPrediction)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A result line: the key as JSON text, the other outputs as JSON text without braces, their names."""

    key: str
    outputs: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error record: the key as JSON text where the row had one.

    A service's own record stands for whole batches: how many rows these had, it does not say.
    """

    key: str | None
    code: str
    message: str
    batches: int = 0


def read_instance(line: bytes, name: str = "key") -> tuple[str | None, tuple[str, ...]]:
    """Return an instance's key, whatever it is, as JSON text, and its fields' names. Raises ValueError."""
    try:
        if line.count(b'"%b"' % name.encode()) > 1 and duplicate_field(line) == name:
            raise ValueError(f"has {name!r} twice")
        if name == "key":
            return key_text(_plain_instance.decode(line).key), _PlainInstance.__struct_fields__
    except UNREADABLE:
        pass
    fields = _fields(line)
    return _as_sent(fields, name), tuple(fields)


def refused_key(line: bytes) -> str | None:
    """Return the key that an error record has of a line that is no instance, as JSON text."""
    key = read_key(line)
    return None if key is None else _as_sent({"key": msgspec.json.encode(key)})


def read_prediction(line: bytes, *, named: bool = False) -> Prediction | Failure:
    """Read a result line in any of the services' forms; `named`: an instance is a file's name, which is its key.

    `{outputs…}`, `{"instance", "prediction"}`, `{"key", "prediction"}`, with the outputs by name or a single output's
    bare value; a service's `{"instance", "error"}` is a failure. Raises ValueError saying what is wrong.
    """
    return _plain(line) or _any_form(_fields(line), named=named)


def _plain(line: bytes) -> Prediction | None:
    """Read the line that is neither wrapped nor odd in any way, or return None."""
    try:
        found = _plain_prediction.decode(line)
    except UNREADABLE:
        return None
    value = bytes(found.prediction).decode()
    return None if value.startswith("{") else Prediction(key_text(found.key), f'"prediction":{value}', ("prediction",))


def _any_form(fields: dict[str, bytes], *, named: bool) -> Prediction | Failure:
    if "instance" not in fields:
        return _keyed(fields)
    key = key_text(str(orjson.loads(fields["instance"]))) if named else _instance_key(fields["instance"])
    if "error" in fields:
        return _service_failure(key, fields["error"])
    if "prediction" not in fields:
        raise ValueError("has an instance but no prediction")
    return _of_instance(key, fields["prediction"])


def read_error(line: bytes) -> Failure:
    """Read an error record: JSON of ours, a service's `{"instance", "error"}`, or its tuple of message and count."""
    if line.startswith(b"("):
        return _tuple_failure(line)
    fields = _fields(line)
    if "error" in fields:
        key = _as_sent(fields) if "key" in fields else _instance_key(fields.get("instance", b""))
        return _service_failure(key, fields["error"])
    return Failure(_as_sent(fields), _text(fields, "code", "UNKNOWN"), _text(fields, "message", ""))


def key_text(key: Key) -> str:
    """Return a key's JSON text."""
    return str(key) if isinstance(key, int) else orjson.dumps(key).decode()


def key_value(text: str) -> Key:
    """Return the key that a JSON text stands for."""
    value: Key = orjson.loads(text)
    return value


def _fields(line: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(raw) for name, raw in _object.decode(line).items()}
    except UNREADABLE as error:
        raise ValueError(f"is no JSON object: {error}") from None


def _as_sent(fields: dict[str, bytes], name: str = "key") -> str | None:
    """Return the key that a user wrote: a wrong one, such as 1.0, is matched by its error record only."""
    key = as_key(orjson.loads(fields[name])) if name in fields else None
    return None if key is None else orjson.dumps(key).decode()


def _key(value: object, limit: int) -> str:
    """Return the JSON text of a key; whole floats are integers up to where `limit` says they are exact."""
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


def _instance_key(raw: bytes) -> str | None:
    """Return the key inside an echoed instance, if it has one."""
    if not raw.lstrip().startswith(b"{"):
        return None
    fields = _fields(raw)
    return _key(orjson.loads(fields["key"]), FLOAT64_EXACT) if "key" in fields else None


def _of_instance(key: str | None, value: bytes) -> Prediction:
    """Read the prediction beside an echoed instance; where both carry a key, they must agree."""
    if value.lstrip().startswith(b"{"):
        return _keyed(_fields(value), key)
    if key is None:
        raise ValueError("has no key, neither in the instance nor in the prediction")
    vector = orjson.loads(value)
    # A server that has one output only may answer with its bare value: the functional form's vector, key last.
    if isinstance(vector, list) and len(vector) > 1 and vector[-1] == key_value(key):
        return _prediction(key, {"prediction": orjson.dumps(vector[:-1])})
    return _prediction(key, {"prediction": value})


def _keyed(fields: dict[str, bytes], instance_key: str | None = None) -> Prediction:
    """Take the key out of the outputs."""
    if "key" in fields:
        key = _key(orjson.loads(fields.pop("key")), FLOAT64_EXACT)
        if list(fields) == ["prediction"] and fields["prediction"].lstrip().startswith(b"{"):
            fields = _fields(fields["prediction"])
    elif KEYED_OUTPUT in fields:
        key, rest = _split_vector(orjson.loads(fields.pop(KEYED_OUTPUT)))
        fields = {"prediction": rest, **fields}
    elif instance_key is not None:
        key = instance_key
    else:
        raise ValueError("has no key")
    if instance_key is not None and instance_key != key:
        raise ValueError(f"belongs to instance {instance_key}, but its prediction has key {key}")
    return _prediction(key, fields)


def _split_vector(vector: object) -> tuple[str, bytes]:
    if not isinstance(vector, list) or len(vector) < 2:
        raise ValueError(f"has {KEYED_OUTPUT} {vector!r}, not a prediction and a key")
    *prediction, key = vector
    if isinstance(key, str):
        raise ValueError(f"has key {key!r} in a vector of numbers")
    return _key(key, FLOAT32_EXACT), orjson.dumps(prediction)


def _prediction(key: str, fields: dict[str, bytes]) -> Prediction:
    outputs = ",".join(f"{orjson.dumps(name).decode()}:{raw.decode()}" for name, raw in fields.items())
    return Prediction(key, outputs, tuple(fields))


def _service_failure(key: str | None, raw: bytes) -> Failure:
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
