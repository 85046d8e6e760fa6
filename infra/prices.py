"""The dated price table, infra/prices.json: every figure with its unit, and its dated source or that it is assumed.

Figures are of one region. In another one a price is that figure times the ratio of the two regions' prices, for the
same kind of thing, in the billing catalog of a day: a table of its own in the file.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from infra.errors import InfraError

FILE = Path(__file__).with_name("prices.json")
# Which price of the regions' table says by how much a figure is higher or lower in another region.
FOLLOWS = {
    "e2_core": "e2-standard-8",
    "e2_memory": "e2-standard-8",
    "n1_core": "n1-standard-2",
    "n1_memory": "n1-standard-2",
    "c2_core": "n1-standard-2",
    "c2_memory": "n1-standard-2",
    "n2d_core": "n1-standard-2",
    "n2d_memory": "n1-standard-2",
    "n2_core": "n1-standard-2",
    "n2_memory": "n1-standard-2",
    "dataflow_core": "n1-standard-2",
    "dataflow_memory": "n1-standard-2",
    "dataflow_disk": "ssd",
    "disk": "ssd",
    "storage": "storage",
}
# GiB of memory for each vCPU of a predefined machine type.
MEMORY = {
    ("e2", "standard"): 4.0,
    ("e2", "highmem"): 8.0,
    ("e2", "highcpu"): 1.0,
    ("n1", "standard"): 3.75,
    ("n1", "highmem"): 6.5,
    ("n1", "highcpu"): 0.9,
    ("c2", "standard"): 4.0,
    ("n2d", "standard"): 4.0,
    ("n2d", "highmem"): 8.0,
    ("n2d", "highcpu"): 1.0,
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
    """The whole table, in one region: its own prices, or those that follow from another's."""

    region: str
    base: str  # the region that the figures were read for
    as_of: str
    figures: Mapping[str, Figure]
    read_from: str
    not_counted: str
    regions_as_of: str
    regions_source: str

    def __getitem__(self, name: str) -> float:
        return self.figures[name].value

    def machine_hour(self, machine_type: str) -> float:
        """Return what a machine of Compute Engine costs an hour.

        Raises:
            UnknownPriceError: the table has not its family.
        """
        family, cores, memory = size_of(machine_type)
        if f"{family}_core" not in self.figures:
            msg = (
                f"No price for machine type {machine_type!r} in {self.region}: infra/prices.json has none. Add it there"
            )
            raise UnknownPriceError(msg)
        return cores * self[f"{family}_core"] + memory * self[f"{family}_memory"]

    def prediction_hour(self, machine_type: str) -> float:
        """Return what a machine that predicts for Vertex AI, online or in a batch job, costs an hour."""
        return self.machine_hour(machine_type) * self["prediction_factor"]


def size_of(machine_type: str) -> tuple[str, int, float]:
    """Return a machine type's family, vCPUs and GiB of memory, as its name says.

    Raises:
        UnknownPriceError: its family is unknown.
    """
    found = re.fullmatch(r"([a-z0-9]+)-([a-z]+)-(\d+)", machine_type)
    if found is None or (found[1], found[2]) not in MEMORY:
        known = ", ".join(sorted({f"{family}-{kind}-N" for family, kind in MEMORY}))
        msg = f"No price for machine type {machine_type!r}: infra/prices.json knows {known}. Add its figures there"
        raise UnknownPriceError(msg)
    return found[1], int(found[3]), int(found[3]) * MEMORY[found[1], found[2]]


@lru_cache
def read_prices(region: str = "") -> Prices:
    """Read the table for a region; for the one that it was made for where none is named.

    Raises:
        UnknownPriceError: the table has not that region.
    """
    document = json.loads(FILE.read_text())
    base = document["region"]
    region = region or base
    here, there = document["regions"].get(region), document["regions"][base]
    if here is None:
        known = ", ".join(sorted(document["regions"]))
        raise UnknownPriceError(
            f"No prices for region {region!r}: infra/prices.json knows {known}. Add its figures there"
        )
    figures = {name: Figure(**figure) for name, figure in document["figures"].items()}
    ratios = {name: here[kind] / there[kind] if kind in here else None for name, kind in FOLLOWS.items()}
    lacking = {name for name, ratio in ratios.items() if ratio is None}
    found = {
        name: replace(figure, value=figure.value * (ratios.get(name) or 1.0))
        for name, figure in figures.items()
        if name not in lacking
    }
    texts = {key: document[key] for key in ("as_of", "read_from", "not_counted", "regions_as_of", "regions_source")}
    return Prices(region=region, base=base, figures=found, **texts)
