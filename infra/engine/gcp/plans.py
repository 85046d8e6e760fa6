"""State and inputs -> the state that is wanted: Terraform's plan, property by property."""

from collections.abc import Mapping
from typing import Any

from infra.engine.gcp import labels
from infra.engine.gcp.schema import LISTS, Fields, Property, ResourceType
from infra.engine.providers import UNKNOWN, Properties


def plan(kind: ResourceType, settings: Mapping[str, str], prior: Properties | None, inputs: Properties) -> Properties:
    """Return every property as it should be; UNKNOWN where only the service will say."""
    wanted = dict(inputs)
    if "project" in kind.properties and wanted.get("project") is None:
        wanted["project"] = settings.get("project")
    planned = plan_fields(kind.properties, prior, wanted)
    if "pulumiLabels" in kind.properties:
        planned |= labels.plan(settings, prior, inputs.get("labels"))
    if kind.adjust:
        kind.adjust(prior, planned)
    return planned


def plan_fields(fields: Fields, prior: Properties | None, wanted: Properties) -> Properties:
    """Plan one object; `prior` None: it is new."""
    fresh = prior is None
    known = prior or {}
    return {name: plan_value(prop, known.get(name), wanted.get(name), fresh) for name, prop in fields.items()}


def plan_value(prop: Property, prior: Any, wanted: Any, fresh: bool) -> Any:
    """Plan one property; `fresh`: the object around it is new."""
    if wanted == UNKNOWN:
        return UNKNOWN
    planned = unset(prop, prior, fresh) if wanted is None else given(prop, prior, wanted)
    if prop.settle and not fresh:
        planned = prop.settle(prior, planned)
    return planned


def unset(prop: Property, prior: Any, fresh: bool) -> Any:
    """Plan a property without an input: a default, what the service decided, or nothing."""
    for value in (prop.default, prop.fallback):
        if value is not None:
            # A state that says nothing where the default is off says the same.
            return prior if not (fresh or prior or value) else value
    if prop.decided:
        return UNKNOWN if fresh else prior
    if fresh or not prior:
        return prior
    return {} if prop.kind == "map" else [] if prop.kind in LISTS else None


def given(prop: Property, prior: Any, wanted: Any) -> Any:
    """Plan a property from its input."""
    if prop.kind == "block":
        return plan_fields(prop.fields, prior if isinstance(prior, dict) else None, wanted)
    if prop.kind == "set_block":
        return prior if same_element(prop.fields, prior, wanted) else element(prop.fields, wanted)
    if prop.kind == "blocks":
        before = prior or []
        return [
            UNKNOWN if item == UNKNOWN else plan_fields(prop.fields, _at(before, place), item)
            for place, item in enumerate(wanted)
        ] or (prior or [])
    if prop.kind == "block_set":
        return plan_set(prop, prior or [], wanted)
    planned = coerce(prop, wanted)
    if prop.kind == "string_set" and prior and sorted(prior) == sorted(planned):
        return prior
    return prior if planned in ("", [], {}) and not prior else planned


def _at(items: list[Properties], place: int) -> Properties | None:
    return items[place] if place < len(items) else None


def plan_set(prop: Property, prior: list[Properties], wanted: list[Any]) -> list[Any]:
    """Plan a set of objects: one with a known key is the same object changed."""
    before = {item.get(prop.key): item for item in prior}
    known = [item for item in wanted if isinstance(item, dict)]
    planned = [plan_fields(prop.fields, before.get(item.get(prop.key)), item) for item in known]
    return sorted(planned, key=lambda item: str(item.get(prop.key))) + [item for item in wanted if item == UNKNOWN]


def coerce(prop: Property, value: Any) -> Any:
    """Return an input in its schema's type, and as the state keeps it."""
    if prop.kind == "string" and not isinstance(value, str):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    elif prop.kind in ("integer", "long") and isinstance(value, str) and value.lstrip("-").isdigit():
        value = int(value)
    elif prop.kind == "boolean" and value in ("true", "false"):
        value = value == "true"
    elif prop.kind in ("strings", "string_set"):
        return [item if item == UNKNOWN or not prop.store else prop.store(item) for item in value]
    return prop.store(value) if prop.store else value


def element(fields: Fields, wanted: Properties) -> Properties:
    """Plan a set's new element as Terraform does: what is not given is empty text, or absent."""
    return {
        name: coerce(prop, wanted[name])
        if wanted.get(name) not in (None, UNKNOWN)
        else UNKNOWN
        if prop.decided or wanted.get(name) == UNKNOWN
        else ""
        if prop.kind == "string"
        else None
        for name, prop in fields.items()
    }


def same_element(fields: Fields, prior: Any, wanted: Properties) -> bool:
    """Tell whether a set's element is the one that stands: empty and absent are the same."""
    if not isinstance(prior, dict):
        return False
    asked = [name for name, prop in fields.items() if not (prop.decided and wanted.get(name) is None)]
    return all(
        (coerce(fields[name], wanted[name]) if wanted.get(name) else None) == (prior.get(name) or None)
        for name in asked
    )
