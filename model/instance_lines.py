"""Lines of instances -> their keys and their fields' names; of refused lines, the key where one can be read."""

import msgspec

from model.line_keys import UNREADABLE, Int64, key_text, read_fields, sent_key
from model.rejections import KEY, duplicate_field, read_key


class _PlainInstance(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Most instances: decoded at once, half the time of looking at each field."""

    features: msgspec.Raw
    key: Int64 | str


_plain_instance = msgspec.json.Decoder(_PlainInstance)


def read_instance(line: bytes, name: str = "key") -> tuple[str | None, tuple[str, ...]]:
    """Return an instance's key, whatever it is, as JSON text, and its fields' names. Raises ValueError."""
    try:
        if line.count(b'"%b"' % name.encode()) > 1 and duplicate_field(line) == name:
            raise ValueError(f"has {name!r} twice")
        if name == "key":
            return key_text(_plain_instance.decode(line).key), _PlainInstance.__struct_fields__
    except UNREADABLE:
        pass
    fields = read_fields(line)
    return sent_key(fields, name), tuple(fields)


def refused_key(line: bytes, name: str = KEY) -> str | None:
    """Return the key that an error record has of a line that is no instance, as JSON text."""
    key = None if duplicate_field(line) == name else read_key(line, name)
    return None if key is None else sent_key({"key": msgspec.json.encode(key)})  # written and read as the record was
