"""Prior and planned state -> the changed paths, and which of them replace: as Pulumi's bridge reports them."""

import re
from collections.abc import Iterator
from typing import Any, cast

from infra.engine.gcp.schema import NEW, Fields, Property
from infra.engine.providers import UNKNOWN, DiffKind, Properties, PropertyDiff

IDENTIFIER = re.compile(r"[a-zA-Z_$][a-zA-Z0-9_$]*")
REPLACING = ("add-replace", "delete-replace", "update-replace")

Change = tuple[str, PropertyDiff]


def differences(fields: Fields, prior: Properties, planned: Properties) -> dict[str, PropertyDiff]:
    """Compare two states of a resource."""
    return dict(_object(fields, "", False, prior, planned))


def top(path: str) -> str:
    """Return the property that a path begins with."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def under(path: str, root: str) -> bool:
    """Tell whether a path is, or lies below, another."""
    return path == root or path.startswith((f"{root}.", f"{root}["))


def join(path: str, key: str) -> str:
    """Extend a path by a key."""
    if not IDENTIFIER.fullmatch(key):
        quoted = key.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def _object(fields: Fields, path: str, inherited: bool, old: Properties, new: Properties) -> Iterator[Change]:
    for name in sorted(fields):
        yield from _value(fields[name], join(path, name), inherited, old.get(name), new.get(name))


def _value(prop: Property, path: str, inherited: bool, old: Any, new: Any) -> Iterator[Change]:
    """`inherited`: the collection that directly holds this value replaces on change."""
    old, new = _absent(old), _absent(new)
    if old is None and new is None:
        return
    special = bool(prop.forces and prop.forces(old, new))
    forces = inherited or special or NEW in prop.traits
    if new == UNKNOWN:
        yield path, _change("add" if old is None else "update", forces)
    elif old is None or new is None:
        verb = "add" if old is None else "delete"
        yield path, _change(verb, forces or _nested_forces(prop, old if new is None else new))
    else:
        yield from _both(prop, path, forces, special, old, new)


def _both(prop: Property, path: str, forces: bool, special: bool, old: Any, new: Any) -> Iterator[Change]:
    collection = special or NEW in prop.traits
    if prop.kind in ("block", "set_block"):
        yield from _object(prop.fields, path, collection, old, new)
    elif prop.kind == "map":
        item = Property("string")
        for key in sorted({*old, *new}):
            yield from _value(item, join(path, key), collection, old.get(key), new.get(key))
    elif prop.kind in ("blocks", "strings"):
        item = Property("block", fields=prop.fields) if prop.kind == "blocks" else Property("string")
        for place in range(max(len(old), len(new))):
            yield from _value(item, f"{path}[{place}]", collection, _at(old, place), _at(new, place))
    elif prop.kind in ("block_set", "string_set"):
        yield from _set(prop, path, collection, old, new)
    elif old != new:
        yield path, _change("update", forces)


def _set(prop: Property, path: str, collection: bool, old: list[Any], new: list[Any]) -> Iterator[Change]:
    """Compare sets: what has the same key is one element, whatever its place."""

    def key(item: Any) -> Any:
        return item.get(prop.key) if isinstance(item, dict) else item

    before, after = [key(item) for item in old], [key(item) for item in new]
    item = Property("block", fields=prop.fields) if prop.kind == "block_set" else Property("string")
    for place in range(max(len(old), len(new))):
        gone = place < len(old) and before[place] not in after
        come = place < len(new) and after[place] not in before
        where = f"{path}[{place}]"
        if gone or come:
            yield from _value(item, where, collection, old[place] if gone else None, new[place] if come else None)
        elif place < len(new):
            yield from _value(item, where, collection, old[before.index(after[place])], new[place])


def _nested_forces(prop: Property, value: Any) -> bool:
    """Tell whether something inside a value that comes or goes as a whole replaces."""
    items = value if isinstance(value, list) else [value]
    return any(
        NEW in field.traits or _nested_forces(field, item.get(name))
        for item in items
        if isinstance(item, dict)
        for name, field in prop.fields.items()
        if name in item
    )


def _change(verb: str, forces: bool) -> PropertyDiff:
    return PropertyDiff(cast(DiffKind, f"{verb}-replace" if forces else verb))


def _absent(value: Any) -> Any:
    return None if value == [] else value


def _at(items: list[Any], place: int) -> Any:
    return items[place] if place < len(items) else None
