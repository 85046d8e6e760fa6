"""Steps: what a deployment does to one resource, as displays and previews show it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infra.engine import urn as names
from infra.engine.providers import PropertyDiff
from infra.engine.state import ResourceState

# Pulumi's names of operations. A replacement is counted once, as `replace`.
SAME, CREATE, UPDATE, DELETE, REPLACE = "same", "create", "update", "delete", "replace"
DELETE_REPLACED = "delete-replaced"
READ, DISCARD, DISCARD_REPLACED = "read", "discard", "discard-replaced"
REMOVE_PENDING = "remove-pending-replace"
IMPORT = "import"
UNCHANGING = frozenset({SAME, READ, DISCARD})
PHYSICAL = frozenset({DELETE_REPLACED, DISCARD_REPLACED, REMOVE_PENDING})  # a part of a replacement


@dataclass(frozen=True)
class Step:
    """One operation on one resource."""

    op: str
    urn: str
    old: ResourceState | None = None
    new: ResourceState | None = None
    changes: Mapping[str, PropertyDiff] | None = None  # None where nobody said which properties change
    diffs: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    note: str = ""

    @property
    def internal(self) -> bool:
        """Tell whether the step concerns a provider that no program asked for."""
        return names.is_default_provider(self.urn)


class Events(Protocol):
    """Whoever watches a deployment."""

    def begun(self, step: Step) -> None:
        """Hear that a step has begun."""

    def done(self, step: Step, seconds: float) -> None:
        """Hear that a step is done."""

    def failed(self, urn: str, message: str) -> None:
        """Hear that a resource failed."""

    def log(self, severity: str, message: str, urn: str = "") -> None:
        """Hear a message of the program or of the engine: debug, info, warning, error."""

    def stack_outputs(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Hear the stack's outputs."""


@dataclass
class Tally:
    """What a deployment came to; counts are by operation, default providers left out."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)  # URN -> message
    skipped: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # of no resource: the program's own
    interrupted: bool = False

    def add(self, step: Step) -> None:
        """Count a step that is done."""
        if not step.internal and step.op not in PHYSICAL:
            self.counts[step.op] += 1

    @property
    def ok(self) -> bool:
        """Tell whether everything went well."""
        return not (self.failures or self.errors or self.interrupted)

    @property
    def changed(self) -> bool:
        """Tell whether anything changes."""
        return any(count for op, count in self.counts.items() if op not in UNCHANGING)
