"""The dated price table, infra/prices.json: every figure with its unit, and its dated source or that it is assumed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from infra.errors import InfraError

FILE = Path(__file__).with_name("prices.json")
# GiB of memory for each vCPU of a predefined machine type.
MEMORY = {
    ("e2", "standard"): 4.0,
    ("e2", "highmem"): 8.0,
    ("e2", "highcpu"): 1.0,
    ("n1", "standard"): 3.75,
    ("n1", "highmem"): 6.5,
    ("n1", "highcpu"): 0.9,
    ("n2", "standard"): 4.0,
    ("n2", "highmem"): 8.0,
    ("n2", "highcpu"): 1.0,
}


class UnknownPriceError(InfraError):
    """A thing that the price table does not have."""


@dataclass(frozen=True)
class Figure:
    """One figure; an assumption may name where to look, but has no date: nothing dated confirms it."""

    value: float
    unit: str
    source: str = ""
    as_of: str = ""
    assumption: bool = False
    note: str = ""


@dataclass(frozen=True)
class Prices:
    """The whole table: prices of one region, as they were on a day."""

    region: str
    as_of: str
    figures: Mapping[str, Figure]
    read_from: str
    not_counted: str

    def __getitem__(self, name: str) -> float:
        return self.figures[name].value

    def machine_hour(self, machine_type: str) -> float:
        """Return what a machine of Compute Engine costs an hour.

        Raises:
            UnknownPriceError: the table has not its family.
        """
        found = re.fullmatch(r"([a-z0-9]+)-([a-z]+)-(\d+)", machine_type)
        if found is None or (found[1], found[2]) not in MEMORY:
            known = ", ".join(sorted({f"{family}-{kind}-N" for family, kind in MEMORY}))
            msg = f"No price for machine type {machine_type!r}: infra/prices.json knows {known}. Add its figures there"
            raise UnknownPriceError(msg)
        family, cores = found[1], int(found[3])
        memory = cores * MEMORY[family, found[2]]
        return cores * self[f"{family}_core"] + memory * self[f"{family}_memory"]

    def prediction_hour(self, machine_type: str) -> float:
        """Return what a machine that predicts for Vertex AI, online or in a batch job, costs an hour."""
        return self.machine_hour(machine_type) * self["prediction_factor"]


@lru_cache
def read_prices() -> Prices:
    """Read the table."""
    document = json.loads(FILE.read_text())
    figures = {name: Figure(**figure) for name, figure in document["figures"].items()}
    return Prices(document["region"], document["as_of"], figures, document["read_from"], document["not_counted"])
