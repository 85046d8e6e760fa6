"""JSON of the APIs <-> outputs in the form of the real provider's state."""

import json
import re
from typing import Any

from infra.engine.gcp import labels
from infra.engine.gcp.schema import LISTS, LOCAL, OUTPUT, UNREAD, ZEROS, Fields, Json, Property, ResourceType
from infra.engine.providers import UNKNOWN, Properties

TIMEOUTS = "e2bfb730-ecaa-11e6-8f88-34363bc7c4c0"  # the key Terraform's SDK stores a resource's time limits under
MINUTE = 60_000_000_000


def outputs(kind: ResourceType, identity: str, body: Json, known: Properties) -> Properties:
    """Return a resource's whole state; `known` is what was planned, or stood before."""
    state = from_api(kind.properties, body, known)
    if "pulumiLabels" in kind.properties:
        state |= labels.read(body, known)
    state["id"] = identity
    return sealed(kind, state)


def sealed(kind: ResourceType, state: Properties) -> Properties:
    """Add what the bridge writes beside the properties."""
    meta: Json = {}
    if kind.minutes:
        meta[TIMEOUTS] = {verb: minutes * MINUTE for verb, minutes in sorted(kind.minutes.items())}
    if kind.version:
        meta["schema_version"] = kind.version
    extra: Properties = {"__meta": json.dumps(meta, separators=(",", ":"))} if meta else {}
    return state | extra | {"__pulumi_raw_state_delta": object_delta(kind.properties, state)}


def from_api(fields: Fields, body: Json, known: Properties) -> Properties:
    """Read the properties of one JSON object; what it does not carry is the zero of its kind."""
    return {name: _read(name, prop, body, _known(known.get(name))) for name, prop in fields.items()}


def _known(value: Any) -> Any:
    return None if value == UNKNOWN else value


def _read(name: str, prop: Property, body: Json, kept: Any) -> Any:
    if LOCAL in prop.traits:
        return body.get(name, kept)
    if UNREAD in prop.traits:
        return ZEROS.get(prop.kind) if kept is None else kept
    value = _present(prop, body.get(api_name(name, prop)), kept)
    # An empty collection and none are one thing to the service: the state keeps the form it had.
    return kept if value in (None, [], {}) and kept in ([], {}) else value


def _present(prop: Property, value: Any, kept: Any) -> Any:
    if value is None:
        return _missing(prop)
    if prop.kind in ("block", "set_block"):
        item = value[0] if isinstance(value, list) and value else value
        return from_api(prop.fields, item, kept or {}) if isinstance(item, dict) else None
    if prop.kind in ("blocks", "block_set"):
        before = kept if isinstance(kept, list) else []
        items = value if isinstance(value, list) else [value]
        return [
            from_api(prop.fields, item or {}, before[place] if place < len(before) else {})
            for place, item in enumerate(items)
        ]
    if prop.kind in ("integer", "long"):
        return int(value)
    return str(value) if prop.kind == "string" else value


def _missing(prop: Property) -> Any:
    if prop.missing is not ...:
        return prop.missing
    return [] if prop.kind in LISTS else ZEROS.get(prop.kind)


def to_api(fields: Fields, values: Properties) -> Json:
    """Write the known properties of one object as JSON."""
    body: Json = {}
    for name, prop in fields.items():
        value = values.get(name)
        if value is None or value == UNKNOWN or prop.traits & (LOCAL | OUTPUT):
            continue
        body[api_name(name, prop)] = _write(prop, value)
    return body


def _write(prop: Property, value: Any) -> Any:
    if prop.kind in ("block", "set_block"):
        item = to_api(prop.fields, value)
        return [item] if prop.wrapped else item
    if prop.kind in ("blocks", "block_set"):
        return [to_api(prop.fields, item) for item in value]
    return str(value) if prop.kind == "long" else value


def api_name(name: str, prop: Property) -> str:
    """Return the JSON name of a property."""
    return prop.api or (camel(prop.tf) if prop.tf else name)


def snake(name: str) -> str:
    """MaxAgeSeconds -> max_age_seconds."""
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def camel(name: str) -> str:
    """max_age_seconds -> maxAgeSeconds."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def object_delta(fields: Fields, state: Properties) -> Json:
    """Describe how Terraform's own state differs in shape from an object of the outputs."""
    deltas = {name: _delta(prop, state.get(name)) for name, prop in fields.items() if name in state}
    shapes = {name: delta for name, delta in sorted(deltas.items()) if delta}
    renamed = {name: prop.tf for name, prop in sorted(fields.items()) if prop.tf and prop.tf != snake(name)}
    inner: Json = {"ps": shapes} if shapes else {}
    return {"obj": inner | ({"renamed": renamed} if renamed else {})}


def _delta(prop: Property, value: Any) -> Json:
    if prop.kind in ("block", "set_block"):
        return {"plu": {"i": {} if value is None else object_delta(prop.fields, value)}}
    if value is None:
        return {}
    if prop.kind == "map":
        return {"map": {}}
    if prop.kind == "asset":
        return {"asset": {"kind": 0}}
    if prop.kind in LISTS:
        items = {str(place): object_delta(prop.fields, item) for place, item in enumerate(value) if prop.fields}
        return {"arr": {"el": items} if items else {}}
    return {}
