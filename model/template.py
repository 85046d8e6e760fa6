"""A good line -> what its likes look like: which bytes are always the same, and between which commas values stand.

Machines write files whose lines differ in nothing but their values. A line is known to be such a one by looking at a
few bytes of it, and its values lie at known places: no parser has to find out once per line what is the same in all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import msgspec

from model.signature import TensorSpec

NUMBER = re.compile(rb"-?\d[\d.eE+-]*(?=[\s\]}]*$)")
TEXT = re.compile(rb'(?<=")[^"\\\x00-\x1f]*(?="[ }]*$)')
MOST_SLOTS = 64  # slots whose bytes are looked at one by one; with more, reading row by row is as fast


@dataclass(frozen=True)
class Slot:
    """A value of a line, and the bytes before and behind it up to the next commas."""

    prefix: bytes
    suffix: bytes
    kind: str  # "float", "integer" or "text"

    @property
    def bare(self) -> bool:
        """Whether the bytes around the value need no look: a reader of numbers knows white space."""
        return self.kind == "float" and not (self.prefix.strip() or self.suffix.strip())

    @property
    def least(self) -> int:
        """How many bytes the value has at least."""
        return self.kind != "text"


@dataclass(frozen=True)
class Template:
    """The slots of a line in their order, and which of them, first and last, each input takes."""

    slots: Sequence[Slot]
    places: Mapping[str, range]
    quotes: int

    @cached_property
    def numbers(self) -> list[int]:
        """The slots of numbers."""
        return [number for number, slot in enumerate(self.slots) if slot.kind != "text"]


def fits(specs: Sequence[TensorSpec]) -> bool:
    """Tell whether lines of such inputs can have a template: numbers in fixed shapes, and single texts."""
    return all(_fits(spec) for spec in specs) and sum(_count(s) for s in specs if kind_of(s) != "float") <= MOST_SLOTS


def _fits(spec: TensorSpec) -> bool:
    row = (spec.shape or (None,))[1:]
    return 0 not in row and None not in row and spec.dtype != "bool" and (spec.dtype != "string" or not row)


def kind_of(spec: TensorSpec) -> str:
    """Return what an input's values are: "text", "float" or "integer"."""
    return "text" if spec.dtype == "string" else "float" if "float" in spec.dtype else "integer"


def _count(spec: TensorSpec) -> int:
    """Return how many values a row has."""
    return prod(size or 0 for size in (spec.shape or ())[1:])


def template_of(line: bytes, specs: Sequence[TensorSpec]) -> Template | None:
    """Return the template of a line that the decoder takes, if it has one."""
    segments, names = line.split(b","), _names(line, specs)
    if names is None or len(segments) != sum(map(_count, specs)) or b"\\" in line:
        return None
    slots: list[Slot] = []
    places: dict[str, range] = {}
    for spec in names.values():
        first, kind = len(slots), kind_of(spec)
        for segment in segments[first : first + _count(spec)]:
            found = (TEXT if kind == "text" else NUMBER).search(segment)
            if found is None:
                return None
            slots.append(Slot(segment[: found.start()], segment[found.end() :], kind))
        places[spec.alias] = range(first, len(slots))
    return Template(slots, places, line.count(b'"')) if sum(not slot.bare for slot in slots) <= MOST_SLOTS else None


def _names(line: bytes, specs: Sequence[TensorSpec]) -> dict[str, TensorSpec] | None:
    """Return the inputs in the order in which the line has them; one value without a name is the only input's."""
    by_name = {spec.alias: spec for spec in specs}
    if not line.lstrip().startswith(b"{"):
        return by_name if len(specs) == 1 else None
    if line.count(b"{") != 1:
        return None
    found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    return {name: by_name[name] for name in found} if found.keys() == by_name.keys() else None
