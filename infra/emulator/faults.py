"""Faults on demand: what goes wrong, in which calls, how often; by a seed, so that a run repeats.

Which of the calls that a fault is about it strikes depends on its seed and their number alone.
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from infra.emulator.errors import invalid, not_found
from infra.emulator.resources import Json, Resources

KIND = "local.faults"
KINDS = {
    "latency": "calls are answered `seconds` later",
    "error": "calls are answered with `code` and `message`",
    "fullDisk": "calls find the disk full when they write",
    "slowStart": "the local cloud says ready, batch jobs start and model servers answer, `seconds` later",
    "lostShard": "a batch job's result lacks one of its shards",
    "duplicatedRow": "a batch job's result has one of its rows twice",
}
SEEDS = -(2**63), 2**63 - 1  # what JSON's readers take for an integer
LONGEST = 600.0  # seconds


@dataclass(frozen=True)
class Fault:
    """One fault that was asked for."""

    kind: str
    method: str = "*"  # discovery method ids, with * and ? (storage.objects.*)
    rate: float = 1.0  # the share of calls that it strikes
    seed: int = 0
    seconds: float = 1.0
    code: int = 503
    message: str = ""
    times: int = 0  # how often at most; 0: no limit

    def random(self, number: int) -> random.Random:
        """Return the random numbers for the call of this number."""
        return random.Random(f"{self.seed}/{number}")  # noqa: S311 - it is to repeat


@dataclass
class Active:
    """A fault and what it has done since the local cloud started."""

    id: str
    fault: Fault
    calls: int = 0
    struck: int = 0

    def shown(self) -> Json:
        """Return it as the admin route shows it."""
        return {"id": self.id, **asdict(self.fault), "calls": self.calls, "struck": self.struck}


@dataclass
class Faults:
    """The faults of a local cloud."""

    active: list[Active] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self, resources: Resources) -> None:
        """Read the faults that the state holds; their counts begin anew."""
        with self._lock:
            self.active = [Active(name, Fault(**body)) for name, body in resources.list(KIND)]

    def add(self, resources: Resources, body: Json) -> Json:
        """Add a fault; raises ApiError 400 where it is none."""
        fault = checked(body)
        name = f"fault-{resources.next_number(KIND)}"
        resources.put(KIND, name, asdict(fault))
        with self._lock:
            self.active.append(made := Active(name, fault))
        return made.shown()

    def clear(self, resources: Resources, name: str = "") -> list[Json]:
        """Remove a fault, or all; return what they did. Raises ApiError 404."""
        with self._lock:
            gone = [one for one in self.active if name in ("", one.id)]
            if name and not gone:
                known = ", ".join(one.id for one in self.active) or "none"
                raise not_found(f"No fault {name!r}; there are: {known}.")
            for one in gone:
                resources.delete(KIND, one.id)
            self.active = [one for one in self.active if one not in gone]
        return [one.shown() for one in gone]

    def strike(self, kind: str, method: str) -> Iterator[tuple[Fault, random.Random]]:
        """Count a call; yield the faults of this kind that strike it, with the random numbers of this occasion."""
        with self._lock:
            struck = [found for one in self.active if (found := _struck(one, kind, method))]
        yield from struck


def _struck(one: Active, kind: str, method: str) -> tuple[Fault, random.Random] | None:
    fault = one.fault
    if fault.kind != kind or not fnmatchcase(method, fault.method):
        return None
    one.calls += 1
    numbers = fault.random(one.calls)
    if numbers.random() >= fault.rate or (fault.times and one.struck >= fault.times):
        return None
    one.struck += 1
    return fault, numbers


def checked(body: Json) -> Fault:
    """Return the fault that a request describes; raises ApiError 400, naming the field."""
    types = {one.name: type(getattr(Fault(""), one.name)) for one in fields(Fault)}
    for name, value in body.items():
        if name not in types:
            raise invalid(f"A fault has no field {name!r}: {', '.join(types)}.", field_path=name)
        if not _is(value, types[name]):
            raise invalid(f"{name} is {value!r}; wanted: {types[name].__name__}.", field_path=name)
    if body.get("kind") not in KINDS:
        raise invalid(f"No kind of fault {body.get('kind')!r}: {', '.join(KINDS)}.", field_path="kind")
    fault = Fault(**body)
    limits = {"rate": (0, 1), "seed": SEEDS, "seconds": (0, LONGEST), "code": (400, 599), "times": (0, 2**31)}
    for name, (least, most) in limits.items():
        if not least <= getattr(fault, name) <= most:
            raise invalid(f"{name} is {getattr(fault, name)}; wanted: {least} to {most}.", field_path=name)
    return fault


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)
