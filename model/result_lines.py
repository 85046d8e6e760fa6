"""Result lines in any of the services' forms -> their keys, and the outputs that hang on each key."""

from dataclasses import dataclass

import msgspec
import orjson

from model.error_lines import Failure, service_failure
from model.keys import FLOAT32_EXACT, FLOAT64_EXACT
from model.line_keys import UNREADABLE, Int64, exact_key, instance_key, key_text, key_value, read_fields

KEYED_OUTPUT = "prediction_with_key"  # the functional form's vector: the prediction, then the key


class _PlainPrediction(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Most result lines: decoded at once, half the time of looking at each field."""

    prediction: msgspec.Raw
    key: Int64 | str


_plain_prediction = msgspec.json.Decoder(_PlainPrediction)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A result line: the key as JSON text, the other outputs as JSON text without braces, their names."""

    key: str
    outputs: str
    names: tuple[str, ...]


def read_prediction(line: bytes, *, named: bool = False) -> Prediction | Failure:
    """Read a result line in any of the services' forms; `named`: an instance is a file's name, which is its key.

    `{outputs…}`, `{"instance", "prediction"}`, `{"key", "prediction"}`, with the outputs by name or a single output's
    bare value; a service's `{"instance", "error"}` is a failure. Raises ValueError saying what is wrong.
    """
    return _plain(line) or _any_form(read_fields(line), named=named)


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
    key = key_text(str(orjson.loads(fields["instance"]))) if named else instance_key(fields["instance"])
    if "error" in fields:
        return service_failure(key, fields["error"])
    if "prediction" not in fields:
        raise ValueError("has an instance but no prediction")
    return _of_instance(key, fields["prediction"])


def _of_instance(key: str | None, value: bytes) -> Prediction:
    """Read the prediction beside an echoed instance; where both carry a key, they must agree."""
    if value.lstrip().startswith(b"{"):
        return _keyed(read_fields(value), key)
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
        key = exact_key(orjson.loads(fields.pop("key")), FLOAT64_EXACT)
        if list(fields) == ["prediction"] and fields["prediction"].lstrip().startswith(b"{"):
            fields = read_fields(fields["prediction"])
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
    return exact_key(key, FLOAT32_EXACT), orjson.dumps(prediction)


def _prediction(key: str, fields: dict[str, bytes]) -> Prediction:
    outputs = ",".join(f"{orjson.dumps(name).decode()}:{raw.decode()}" for name, raw in fields.items())
    return Prediction(key, outputs, tuple(fields))
