"""The inputs of a program -> inputs with defaults, and what is wrong with them in the real provider's words."""

import secrets
from typing import Any

from infra.engine.gcp.plans import coerce
from infra.engine.gcp.schema import OUTPUT, REQUIRED, AutoName, Fields, Property, ResourceType
from infra.engine.paths import look_up, parse
from infra.engine.providers import UNKNOWN, CheckFailure, Properties
from infra.engine.wire import has_unknown

DEFAULTS = "__defaults"
WANTED = {
    "string": (str, int, float, bool), "boolean": (bool, str), "integer": (int, str), "long": (int, str),
    "real": (int, float), "map": (dict,), "block": (dict,), "set_block": (dict,),
}  # fmt: skip
SPOKEN = {"boolean": "bool", "integer": "int", "long": "int", "real": "float", "block": "object", "set_block": "object"}


def check(
    kind: ResourceType, urn: str, old: Properties | None, new: Properties
) -> tuple[Properties, list[CheckFailure]]:
    """Fill in names and defaults, keeping those of before, and check every value against its schema."""
    name = urn.rsplit("::", 1)[1]
    before = old or {}
    failures: list[CheckFailure] = []
    inputs = _fill(kind.properties, new, before, name, failures)
    if kind.autoname and inputs.get(kind.autoname.key) is None:
        key = kind.autoname.key
        kept = key in before.get(DEFAULTS, []) and before.get(key)
        inputs[key] = kept or _automatic(kind.autoname, name)
        inputs[DEFAULTS] = sorted([*inputs[DEFAULTS], key])
    failures += _missing(kind, inputs, name) + _alternatives(kind, inputs, name) + _conflicts(kind, inputs, name)
    return inputs, failures


def _automatic(rule: AutoName, name: str) -> str:
    if rule.numeric:
        return str(secrets.randbelow(9 * 10**9) + 10**9)
    return f"{name.lower()[: rule.longest - 8]}-{secrets.token_hex(4)[:7]}"


def _fill(fields: Fields, new: Properties, old: Properties, where: str, failures: list[CheckFailure]) -> Properties:
    inputs: Properties = {}
    for key, value in new.items():
        if value is None or key.startswith("__"):
            continue
        path = f"{where}.{key}"
        prop = fields.get(key)
        if prop is None:
            failures.append(_failure("Invalid or unknown key", path))
        elif OUTPUT in prop.traits:
            failures.append(_failure("Value for unconfigurable attribute", path))
        else:
            inputs[key] = _filled(prop, value, old.get(key), path, failures)
    inputs[DEFAULTS] = _defaults(fields, inputs, old)
    return inputs


def _defaults(fields: Fields, inputs: Properties, old: Properties) -> list[str]:
    """Write the defaults of absent inputs, the same as before where it was a default then; return their names."""
    absent = [name for name, prop in fields.items() if prop.default is not None and name not in inputs]
    kept = old.get(DEFAULTS, [])
    for name in absent:
        inputs[name] = old[name] if name in kept and name in old else fields[name].default
    return sorted(absent)


def _filled(prop: Property, value: Any, old: Any, path: str, failures: list[CheckFailure]) -> Any:
    if value == UNKNOWN:
        return value
    if prop.kind in ("block", "set_block") and isinstance(value, dict):
        return _nested(prop, value, old, path, failures)
    if prop.kind in ("blocks", "block_set") and isinstance(value, list):
        before = old if isinstance(old, list) else []
        return [
            _nested(prop, item, before[place] if place < len(before) else None, f"{path}[{place}]", failures)
            for place, item in enumerate(value)
        ]
    if not isinstance(value, WANTED.get(prop.kind, (list,))) and prop.kind != "asset":
        failures.append(_failure(f"expected type '{SPOKEN.get(prop.kind, prop.kind)}', got {value!r}", path))
        return value
    checked = coerce(Property(prop.kind), value)
    if prop.choices and checked not in (*prop.choices, ""):
        offered = " ".join(f'"{choice}"' for choice in prop.choices)
        failures.append(_failure(f"expected {path.rsplit('.', 1)[1]} to be one of [{offered}], got {checked}", path))
    reason = prop.wrong(checked) if prop.wrong and not has_unknown(checked) else ""
    if reason:
        failures.append(_failure(reason, path))
    return checked


def _nested(prop: Property, value: Any, old: Any, path: str, failures: list[CheckFailure]) -> Any:
    if value == UNKNOWN:
        return value
    if not isinstance(value, dict):
        failures.append(_failure(f"expected type 'object', got {value!r}", path))
        return value
    inputs = _fill(prop.fields, value, old if isinstance(old, dict) else {}, path, failures)
    failures += _required(prop.fields, inputs, path)
    return inputs


def _missing(kind: ResourceType, inputs: Properties, name: str) -> list[CheckFailure]:
    return _required(kind.properties, inputs, name)


def _required(fields: Fields, inputs: Properties, where: str) -> list[CheckFailure]:
    absent = [name for name, prop in fields.items() if REQUIRED in prop.traits and inputs.get(name) is None]
    text = 'Missing required argument. The argument "{}" is required, but no definition was found.'
    return [_failure(text.format(name), f"{where}.{name}") for name in absent]


def _alternatives(kind: ResourceType, inputs: Properties, name: str) -> list[CheckFailure]:
    """Check the properties of which exactly one must be there."""
    present = [key for key in kind.exactly_one if inputs.get(key) is not None]
    if not kind.exactly_one or len(present) == 1:
        return []
    every = ",".join(kind.exactly_one)
    text = f"one of `{every}` must be specified"
    if present:
        text = f"only one of `{every}` can be specified, but `{','.join(present)}` were specified."
    return [
        _failure(f'Invalid combination of arguments. "{kind.exactly_one[0]}": {text}', f"{name}.{kind.exactly_one[0]}")
    ]


def _conflicts(kind: ResourceType, inputs: Properties, name: str) -> list[CheckFailure]:
    """Check the properties that exclude each other; each of both is told, as Terraform does."""
    found = [pair for pair in kind.apart if all(look_up(inputs, parse(path)) is not None for path in pair)]
    text = 'Conflicting configuration arguments. "{}": conflicts with {}'
    return [
        _failure(text.format(*pair), f"{name}.{pair[0]}")
        for one, other in found
        for pair in ((one, other), (other, one))
    ]


def _failure(reason: str, path: str) -> CheckFailure:
    return CheckFailure("", f"{reason}. Examine values at '{path}'.")
