"""Preconditions: the generation and metageneration that a request expects to find."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from infra.emulator.errors import ApiError, invalid

Query = Mapping[str, list[str]]
NOT_HELD = "At least one of the pre-conditions you specified did not hold."


class Versioned(Protocol):
    """What has a generation and a metageneration: an object."""

    @property
    def generation(self) -> int:
        """The version of the content."""

    @property
    def metageneration(self) -> int:
        """The version of the metadata."""


@dataclass(frozen=True)
class Conditions:
    """What must hold, and what must not, before a request is done."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    def check(self, found: Versioned | None) -> None:
        """Raise 412 where a condition does not hold for what is there (None: nothing live)."""
        if not self.matches(found) or self.excludes(found):
            raise condition_not_met()

    def matches(self, found: Versioned | None) -> bool:
        """Tell whether the expected versions are there; generation 0 expects that nothing is."""
        generation = found.generation if found else 0
        if self.generation is not None and self.generation != generation:
            return False
        return self.metageneration is None or (found is not None and found.metageneration == self.metageneration)

    def excludes(self, found: Versioned | None) -> bool:
        """Tell whether a version is there that the request wants not (a read then answers 304)."""
        if self.not_generation is not None and self.not_generation == (found.generation if found else 0):
            return True
        return found is not None and self.not_metageneration == found.metageneration


def conditions_of(query: Query, prefix: str = "if") -> Conditions:
    """Read the preconditions of a request; those on the source of a copy begin with `ifSource`."""
    return Conditions(
        integer(query, f"{prefix}GenerationMatch"),
        integer(query, f"{prefix}GenerationNotMatch"),
        integer(query, f"{prefix}MetagenerationMatch"),
        integer(query, f"{prefix}MetagenerationNotMatch"),
    )


def integer(query: Query, name: str) -> int | None:
    """Read a whole number of the query, None where it is not given."""
    values = query.get(name)
    if not values:
        return None
    if not re.fullmatch(r"-?\d{1,18}", values[0], re.ASCII):
        msg = f"Invalid value for parameter {name}: {values[0]!r}"
        raise invalid(msg, reason="invalidParameter")
    return int(values[0])


def flag(query: Query, name: str) -> bool:
    """Read a truth value of the query."""
    return (query.get(name) or ["false"])[0].lower() == "true"


def condition_not_met() -> ApiError:
    """Make the 412 that a failed precondition answers."""
    return ApiError(412, NOT_HELD, reason="conditionNotMet")
