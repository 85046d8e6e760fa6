"""A stack's state, resource by resource, in the words of Pulumi's deployment format (version 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from infra.engine import urn as names
from infra.engine.providers import Properties

Names = tuple[str, ...]


@dataclass(frozen=True)
class ResourceState:
    """One resource as the state has it; secrets are open here and sealed in the file."""

    urn: str
    type: str
    custom: bool = False
    delete: bool = False
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    dependencies: Names = ()
    init_errors: Names = ()
    provider: str = ""
    property_dependencies: Mapping[str, Names] = field(default_factory=dict)
    pending_replacement: bool = False
    additional_secret_outputs: Names = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    created: str = ""
    modified: str = ""
    ignore_changes: Names = ()
    replace_on_changes: Names = ()
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of other engines, kept as they are


@dataclass(frozen=True)
class PendingOperation:
    """An operation that had begun when the state was written: `creating`, `updating`, `deleting`."""

    kind: str
    resource: ResourceState


@dataclass(frozen=True)
class Snapshot:
    """A whole state; each resource stands after its provider, its parent and what it depends on."""

    resources: tuple[ResourceState, ...] = ()
    pending: tuple[PendingOperation, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


# Field -> key of the format, in the format's own order.
_KEYS = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
}
_REQUIRED = {"urn", "custom", "type"}
_LISTS = {f.name for f in fields(ResourceState) if f.type is Names}


def resource_to_json(state: ResourceState) -> dict[str, Any]:
    """Write a resource; empty fields are left out as Pulumi leaves them out."""
    row: dict[str, Any] = {}
    for name, key in _KEYS.items():
        value = getattr(state, name)
        if name in _LISTS:
            value = list(value)
        elif name == "property_dependencies":
            value = {prop: list(urns) for prop, urns in value.items()}
        if value or name in _REQUIRED:
            row[key] = value
    return {**row, **state.extra}


def resource_from_json(row: Mapping[str, Any]) -> ResourceState:
    """Read a resource; keys this engine does not know travel along.

    Raises:
        KeyError: where `urn` or `type` is missing.
    """
    values: dict[str, Any] = {name: row[key] for name, key in _KEYS.items() if row.get(key) is not None}
    for name in _LISTS & values.keys():
        values[name] = tuple(values[name])
    if "property_dependencies" in values:
        values["property_dependencies"] = {
            prop: tuple(urns or ()) for prop, urns in values["property_dependencies"].items()
        }
    known = set(_KEYS.values())
    extra = {key: value for key, value in row.items() if key not in known}
    return ResourceState(**{"urn": row["urn"], "type": row["type"], **values}, extra=extra)


def needs(state: ResourceState) -> set[str]:
    """Return what a resource cannot stand without."""
    needed = {*state.dependencies, state.parent, names.referred(state.provider), state.deleted_with}
    return needed.union(*state.property_dependencies.values()) - {"", state.urn}


def arranged(states: Sequence[ResourceState]) -> tuple[ResourceState, ...]:
    """Put every resource after what it needs, and else leave the order as it is."""
    living = {state.urn: state for state in states if not state.delete}
    placed: dict[int, ResourceState] = {}
    begun: set[int] = set()

    def place(state: ResourceState) -> None:
        if id(state) in begun:
            return
        begun.add(id(state))
        for urn in sorted(needs(state) & living.keys()):
            place(living[urn])
        placed[id(state)] = state

    for state in states:
        place(state)
    return tuple(placed.values())


def now() -> str:
    """Return the time as states have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
