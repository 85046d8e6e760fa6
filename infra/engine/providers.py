"""What the engine asks of a resource provider: Pulumi's own verbs, with plain values.

Values are Pulumi's wire form as JSON: strings, booleans, numbers (integral ones as int), lists, dicts, None. An unknown
is the string UNKNOWN; secrets are unwrapped before a provider sees them and wrapped again by the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # pulumi.runtime.rpc.UNKNOWN

Properties = dict[str, Any]
DiffKind = Literal["add", "add-replace", "delete", "delete-replace", "update", "update-replace"]


@dataclass(frozen=True)
class PropertyDiff:
    """How one property path changes; `input_diff`: seen between old and new inputs, not between state and inputs."""

    kind: DiffKind
    input_diff: bool = False


@dataclass(frozen=True)
class Diff:
    """A provider's answer: whether anything changes, which paths, and which of them force a replacement."""

    changed: bool
    properties: Mapping[str, PropertyDiff] = field(default_factory=dict)  # detailedDiff: path -> change
    diffs: tuple[str, ...] = ()  # changed top-level keys
    replace_keys: tuple[str, ...] = ()  # keys that force a replacement
    delete_before_replace: bool = False


@dataclass(frozen=True)
class CheckFailure:
    """An input that the provider refuses."""

    key: str
    reason: str


@dataclass(frozen=True)
class Created:
    """A resource's id and all its output properties."""

    id: str
    outputs: Properties


@dataclass(frozen=True)
class Read:
    """What a resource is now; `inputs` are those that would bring it about."""

    id: str
    inputs: Properties
    outputs: Properties


class ProviderError(Exception):
    """A provider's refusal, in one line; `partial` is what stands although the call failed."""

    def __init__(self, message: str, partial: Created | None = None) -> None:
        super().__init__(message)
        self.partial = partial


@dataclass(frozen=True)
class Standing:
    """A resource as the state has it."""

    urn: str
    id: str
    inputs: Properties
    outputs: Properties


class Provider(Protocol):
    """Create, read, compare, update and delete resources of the types it serves. Timeouts: seconds, 0: default."""

    def check(
        self, urn: str, old_inputs: Properties | None, new_inputs: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Return the inputs with defaults filled in, and what is wrong with them."""

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Compare what stands with what is wanted."""

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:
        """Create the resource; on preview only say what outputs are known already (id "" while unknown)."""

    def read(self, old: Standing) -> Read | None:
        """Read the resource; None where it is gone. Inputs and outputs are empty on import and `get`."""

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Update the resource in place and return its outputs."""

    def delete(self, old: Standing, timeout: float) -> None:
        """Delete the resource; one that is gone already is no error."""
