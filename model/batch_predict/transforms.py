"""A line of input -> the instance that is sent to the model, as Vertex AI's instanceConfig describes it."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import orjson

from model.instances import WHITESPACE, Decoded
from model.not_json import reject_unreadable
from model.rejections import KEY, Key, Rejection, as_key, duplicate_field, read_key
from model.signature import Signature

TAKEN_OUT = b'"key": '  # how the head of a result begins whose key the model does not see
RESULT = {"instance", "prediction"}  # a result line's own names: an excluded field of such a name is not attached
Fields = dict[str, msgspec.Raw]
_fields = msgspec.json.Decoder(Fields).decode
_cells = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True)
class InstanceConfig:
    """Which fields of an input object are sent and in which form, and which one is the key."""

    key_field: str = ""
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    type: str = ""  # "object", "array", or as the line has it
    text: bool = False  # a line is the one text that the model takes, not JSON
    columns: tuple[str, ...] = ()  # of a CSV file, whose rows are arrays

    def __bool__(self) -> bool:
        return bool(self.of_objects or self.type or self.text)

    @property
    def of_objects(self) -> bool:
        """Whether it means anything for objects only."""
        return bool(self.key_field or self.included or self.excluded or self.type == "object")


AS_IT_IS = InstanceConfig()


class Sent(NamedTuple):
    """What lines became: the instances sent (empty: refused), what results say before the prediction, their keys."""

    lines: list[bytes]
    heads: list[bytes]
    keys: dict[int, Any]  # by position, where the configuration names a key
    rejections: list[Rejection]

    def keyed(self, rejections: Sequence[Rejection]) -> list[Rejection]:
        """Return rejections of instances with the keys that were taken out of them."""
        return [msgspec.structs.replace(each, key=self.keys.get(each.at, each.key)) for each in rejections]


class _RefusedError(Exception):
    """Why a line cannot be sent: code and message."""


def send(config: InstanceConfig, lines: Sequence[bytes]) -> Sent:
    """Return the instances of lines, each as the configuration has it, or refused."""
    sent = Sent([], [], {}, [])
    for at, line in enumerate(lines):
        instance, head = line, b""
        try:
            instance, head = _instance(config, line)
        except _RefusedError as error:
            sent.rejections.append(Rejection(at, _key(config, line), *error.args))
            instance = b""
        if config.key_field and head:
            sent.keys[at] = _taken_out(config, head)
        sent.lines.append(instance)
        sent.heads.append(head)
    return sent


def _instance(config: InstanceConfig, line: bytes) -> tuple[bytes, bytes]:
    """Return what is sent for a line, and what its result says before the prediction."""
    stripped = line.strip(WHITESPACE)
    if config.text:
        return _text(line) if stripped else b"", b""
    if not stripped:
        return b"", b""
    try:
        fields = _fields(stripped)
    except msgspec.ValidationError:
        if config.columns and config.key_field:
            return _of_row(config, stripped)
        if config.of_objects:
            raise _RefusedError("NOT_AN_OBJECT", "the line is no object: instanceConfig is for objects") from None
        return stripped, b'"instance": ' + stripped
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(line, error) from None  # the decoder might refuse a field first
    if stripped.count(b":") > len(fields) and (name := duplicate_field(stripped)):
        raise _RefusedError("DUPLICATE_FIELD", f"field {name!r} is there twice")
    return _of_object(config, fields)


def _unreadable(line: bytes, error: Exception) -> _RefusedError:
    [fault] = reject_unreadable(type(error), str(error), [line], [0])
    return _RefusedError(fault.code, fault.message)


def _text(line: bytes) -> bytes:
    try:
        return orjson.dumps(line.removesuffix(b"\r").decode())
    except UnicodeDecodeError:  # the decoder says where
        return line


def fitting(config: InstanceConfig, signature: Signature) -> InstanceConfig:
    """Return the configuration for a model: lines are texts only where a text is all that it takes."""
    texts = [spec.dtype == "string" and spec.shape == (None,) for spec in signature.inputs] == [True]
    return replace(config, text=config.text and texts)


def _of_object(config: InstanceConfig, fields: Fields) -> tuple[bytes, bytes]:
    dropped = {*config.excluded, *filter(None, [config.key_field])}
    kept = {name: raw for name, raw in fields.items() if name not in dropped}
    if config.included:
        kept = {name: _field(fields, name, "includedFields") for name in config.included if name not in dropped}
    if config.type == "array" and not config.included:
        raise _RefusedError("NO_FIELD_ORDER", "an object becomes an array only in the order of includedFields")
    instance = _array(kept) if config.type == "array" else _object(kept)
    if config.key_field:
        return instance, TAKEN_OUT + bytes(_field(fields, config.key_field, "keyField"))
    attached = {name: fields[name] for name in config.excluded if name in fields and name not in RESULT}
    return instance, b'"instance": ' + instance + b"".join(b", " + pair for pair in _pairs(attached))


def _of_row(config: InstanceConfig, row: bytes) -> tuple[bytes, bytes]:
    """Take the key's cell out of an array of cells."""
    try:
        fields = dict(zip(config.columns, _cells(row), strict=True))
    except msgspec.DecodeError as error:  # a cell such as nan
        raise _unreadable(row, error) from None
    key = _field(fields, config.key_field, "keyField")
    return _array({name: raw for name, raw in fields.items() if name != config.key_field}), TAKEN_OUT + bytes(key)


def _field(fields: Fields, name: str, whose: str) -> msgspec.Raw:
    if name not in fields:
        raise _RefusedError("MISSING_FIELD", f"field {name!r} of {whose} is missing")
    return fields[name]


def _pairs(fields: Fields) -> list[bytes]:
    return [orjson.dumps(name) + b": " + bytes(raw) for name, raw in fields.items()]


def _object(fields: Fields) -> bytes:
    return b"{" + b", ".join(_pairs(fields)) + b"}"


def _array(fields: Fields) -> bytes:
    return b"[" + b", ".join(map(bytes, fields.values())) + b"]"


def _taken_out(config: InstanceConfig, head: bytes) -> Key:
    """Return the key at the beginning of a result."""
    try:
        value = as_key(msgspec.json.decode(head[len(TAKEN_OUT) :]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _whole(value) if config.columns else value


def _whole(key: Key) -> Key:
    """Return the integer that a cell was before it was sent as a float."""
    return int(key) if isinstance(key, float) and key.is_integer() else key


def _key(config: InstanceConfig, line: bytes) -> Key:
    """Return a refused line's key: the configured field's value, or what the field `key` holds."""
    name = config.key_field or KEY
    if config.columns and line.startswith(b"["):
        return _key_of_row(config, line)
    return None if duplicate_field(line) == name else read_key(line, name)


def _key_of_row(config: InstanceConfig, row: bytes) -> Key:
    """Return the key among cells that may not be finite."""
    try:
        cells = dict(zip(config.columns, json.loads(row), strict=True))
    except ValueError:
        return None
    return _whole(as_key(cells.get(config.key_field or KEY)))


def decode_sent(decode: Callable[[Sequence[bytes]], Decoded], sent: Sent) -> Decoded:
    """Return what the instances became; a line that was refused before it could be sent is no blank one."""
    decoded = decode(sent.lines)
    refused = [*sent.rejections, *sent.keyed(decoded.rejections)]
    return Decoded(decoded.groups, refused, decoded.blank - len(sent.rejections))


def with_heads(sent: Sent, rows: Sequence[bytes]) -> list[bytes]:
    """Return result lines of predictions (empty where there is none), each after its line's head."""
    heads = [*sent.heads, *[b""] * (len(rows) - len(sent.heads))]  # a line that was not read whole has none
    return [b'{%b, "prediction": %b}' % pair if pair[1] else b"" for pair in zip(heads, rows, strict=True)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of Vertex AI's instanceConfig."""
    group = parser.add_argument_group(
        "instanceConfig", 'as Vertex AI has it: results become {"instance": what was sent, "prediction": …}'
    )
    group.add_argument(
        "--key-field", default="", metavar="F", help='not sent; results have {"key": …} instead of the instance'
    )
    group.add_argument("--included-fields", type=_names, default=(), metavar="A,B", help="send these alone")
    group.add_argument("--excluded-fields", type=_names, default=(), metavar="A,B", help="send all but these")
    group.add_argument("--instance-type", choices=("object", "array"), default="", help="the form in which it is sent")
    parser.add_argument(
        "--text-lines", action="store_true", help="lines for a model of one string input are its texts, not JSON"
    )


def _names(text: str) -> tuple[str, ...]:
    """Read `a,b`, or a JSON list where a name itself has a comma."""
    return msgspec.json.decode(text, type=tuple[str, ...]) if text[:1] == "[" else tuple(filter(None, text.split(",")))


def chosen_config(options: argparse.Namespace) -> InstanceConfig:
    """Return the configuration that a command line asks for."""
    fields = (options.key_field, options.included_fields, options.excluded_fields)
    return InstanceConfig(*fields, options.instance_type, options.text_lines)
