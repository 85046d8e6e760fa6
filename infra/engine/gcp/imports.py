"""What stands -> the inputs that would bring it about: after a refresh, and for an import."""

from typing import Any

from infra.engine.gcp.checks import DEFAULTS
from infra.engine.gcp.plans import coerce
from infra.engine.gcp.schema import COMPUTED, OUTPUT, REQUIRED, Fields, Property
from infra.engine.providers import Properties


def refreshed_inputs(fields: Fields, old: Properties, outputs: Properties) -> Properties:
    """Return the old inputs with the values that stand; all that is not a default where there were none."""
    if not old:
        return imported(fields, outputs)
    kept = {DEFAULTS, *old.get(DEFAULTS, [])}
    return {
        key: value if key in kept else _drifted(fields.get(key), value, outputs.get(key)) for key, value in old.items()
    }


def _drifted(prop: Property | None, value: Any, stands: Any) -> Any:
    if prop is None or _same(prop, stands, value):
        return value
    if prop.kind in ("block", "set_block") and isinstance(value, dict) and isinstance(stands, dict):
        return refreshed_inputs(prop.fields, value, stands) if value else value
    if prop.kind in ("blocks", "block_set") and isinstance(value, list) and isinstance(stands, list):
        if len(value) == len(stands):
            return [_drifted(Property("block", fields=prop.fields), *pair) for pair in zip(value, stands, strict=True)]
        return [imported(prop.fields, item) for item in stands]
    return stands


def _same(prop: Property, stands: Any, value: Any) -> bool:
    if prop.fields:
        return False
    planned = coerce(prop, value)
    return bool((prop.settle(stands, planned) if prop.settle else planned) == stands)


def imported(fields: Fields, stands: Properties) -> Properties:
    """Return what a program must say: all that is neither decided by the service nor a default."""
    inputs: Properties = {DEFAULTS: []}
    for name, prop in fields.items():
        value = stands.get(name)
        absent = value in (None, "", [], {}) or (value in (False, 0) and not prop.default)
        optional = prop.traits & (COMPUTED | OUTPUT) or absent or value in (prop.default, prop.fallback)
        if REQUIRED not in prop.traits and optional:
            continue
        if prop.kind in ("block", "set_block") and isinstance(value, dict):
            inputs[name] = imported(prop.fields, value)
        elif prop.kind in ("blocks", "block_set"):
            inputs[name] = [imported(prop.fields, item) for item in value or []]
        else:
            inputs[name] = value
    return inputs
