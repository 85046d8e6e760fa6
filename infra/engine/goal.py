"""What a program wants of one resource: a registration or a read, free of gRPC."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.engine.errors import StepError
from infra.engine.providers import Properties

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Alias:
    """Another name a resource had: a whole URN, or the parts that differ (empty: as now)."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True)
class Goal:
    """A registration."""

    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    provider: str = ""
    version: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    protect: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    custom_timeouts: Mapping[str, str] = field(default_factory=dict)
    delete_before_replace: bool | None = None
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    import_id: str = ""
    read_id: str = ""  # set where the program only reads the resource (`get`)


@dataclass(frozen=True)
class Outcome:
    """The engine's answer; `result` is `done`, `failed` or `skipped`."""

    urn: str
    id: str = ""
    outputs: Properties = field(default_factory=dict)
    result: str = "done"


def seconds(duration: str) -> float:
    """Read a duration as Go writes it: `1h30m`, `90s`.

    Raises:
        StepError: where it is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        msg = f"customTimeouts has {duration!r}: write it like '10m' or '1h30m'"
        raise StepError(msg)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
