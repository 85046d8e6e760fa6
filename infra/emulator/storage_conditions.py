"""Preconditions: the generation, metageneration and etag that a request expects to find."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from infra.emulator.errors import ApiError, invalid
from infra.emulator.storage_resource import etag_of

Query = Mapping[str, list[str]]
ETAG_HEADERS = ("if-match", "if-none-match")
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
    etags: tuple[str, ...] = ()
    not_etags: tuple[str, ...] = ()

    def check(self, found: Versioned | None) -> None:
        """Raise 412 where a condition does not hold for what is there (None: nothing live)."""
        if not self.matches(found) or self.excludes(found):
            raise condition_not_met()

    def matches(self, found: Versioned | None) -> bool:
        """Tell whether the expected versions are there; generation 0 expects that nothing is."""
        generation = found.generation if found else 0
        if self.generation is not None and self.generation != generation:
            return False
        if self.etags and not _is_among(found, self.etags):
            return False
        return self.metageneration is None or (found is not None and found.metageneration == self.metageneration)

    def excludes(self, found: Versioned | None) -> bool:
        """Tell whether a version is there that the request wants not (a read then answers 304)."""
        if self.not_generation is not None and self.not_generation == (found.generation if found else 0):
            return True
        if self.not_etags and _is_among(found, self.not_etags):
            return True
        return found is not None and self.not_metageneration == found.metageneration


def _is_among(found: Versioned | None, etags: tuple[str, ...]) -> bool:
    """Tell whether one of the etags, or `*`, means what is there."""
    return found is not None and bool({"*", etag_of(found.generation, found.metageneration)} & set(etags))


def conditions_of(query: Query, prefix: str = "if", headers: Mapping[str, str] = MappingProxyType({})) -> Conditions:
    """Read the preconditions of a request; those on the source of a copy begin with `ifSource`."""
    return Conditions(
        integer(query, f"{prefix}GenerationMatch"),
        integer(query, f"{prefix}GenerationNotMatch"),
        integer(query, f"{prefix}MetagenerationMatch"),
        integer(query, f"{prefix}MetagenerationNotMatch"),
        *(etags_of(query, headers, name) for name in ETAG_HEADERS if prefix == "if"),
    )


def etags_of(query: Query, headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the etags that a header lists; an upload keeps them with its query."""
    text = (query.get(name) or [headers.get(name, "")])[0]
    return tuple(one.strip().removeprefix("W/").strip('"') for one in text.split(",") if one.strip())


def integer(query: Query, name: str) -> int | None:
    """Read a whole number of the query, None where it is not given."""
    values = query.get(name)
    if not values:
        return None
    if not re.fullmatch(r"-?\d{1,18}", values[0], re.ASCII):
        msg = f"Invalid value for parameter {name}: {values[0]!r}"
        raise invalid(msg, reason="invalidParameter")
    return int(values[0])


def first(query: Query, name: str) -> str:
    """Return the first value of a parameter, empty where it is not given."""
    return (query.get(name) or [""])[0]


def flag(query: Query, name: str) -> bool:
    """Read a truth value of the query."""
    return (query.get(name) or ["false"])[0].lower() == "true"


def condition_not_met() -> ApiError:
    """Make the 412 that a failed precondition answers."""
    return ApiError(412, NOT_HELD, reason="conditionNotMet")
