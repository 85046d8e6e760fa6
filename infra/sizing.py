"""How many workers predict N rows in T minutes, and what that costs: by the service, on Dataflow, on one machine.

Vertex AI's own rule is replicas = N / (T * 60 / Tb), Tb the seconds of a replica for a row; each starts for about five
minutes, which are paid for, and a job should run for ten at least.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from infra.costs import VERTEX_START, Cost
from infra.prices import Prices, read_prices, size_of
from infra.settings import Settings

ENGINE = 275_000.0  # rows a second and vCPU, measured by `invoke bench` on the tutorial's model
SERVICE = 1_000.0  # rows a second and replica: rows travel to a model server as HTTP
DATAFLOW_START, MACHINE_START = 3.0, 1.0  # minutes, paid for
DISK_GB = 25.0  # of a Dataflow worker whose batches are shuffled by the service


@dataclass(frozen=True)
class Load:
    """What is to be predicted, and how fast one worker is: measure it, for it is the model that decides."""

    rows: int
    minutes: float
    engine_rows: float = ENGINE  # a second and vCPU
    service_rows: float = SERVICE  # a second and replica
    beam_rows: float = 0.0  # a second and vCPU of Dataflow; 0: as the engine


@dataclass(frozen=True)
class Size:
    """A place to predict: its workers, the minutes until all rows are done, and the costs."""

    place: str
    command: str
    workers: int
    machine: str
    minutes: float
    costs: list[Cost]
    in_time: bool

    @property
    def usd(self) -> float:
        """What the run costs."""
        return sum(cost.usd for cost in self.costs)


def size(load: Load, settings: Settings, prices: Prices | None = None) -> list[Size]:
    """Return what each place takes.

    Raises:
        UnknownPriceError: the table has no price of the stack's machine.
    """
    found = prices or read_prices(settings.region)
    return [_vertex(load, settings, found), _dataflow(load, settings, found), _machine(load, settings, found)]


def facts(load: Load, sizes: list[Size]) -> dict[str, Any]:
    """Return sizes for JSON, amounts in USD."""
    places = [{**asdict(each), "usd": round(each.usd, 4), "minutes": round(each.minutes, 2)} for each in sizes]
    return {"rows": load.rows, "wantedMinutes": load.minutes, "places": places}


def _workers(rows: int, a_second: float, minutes: float, start: float) -> tuple[int, float]:
    """Return how many workers are in time, and the minutes that they take; one, where no number could be."""
    left = minutes - start
    workers = max(1, math.ceil(rows / a_second / (left * 60))) if left > 0 else 1
    return workers, start + rows / a_second / workers / 60


def _vertex(load: Load, settings: Settings, prices: Prices) -> Size:
    workers, minutes = _workers(load.rows, load.service_rows, load.minutes, VERTEX_START)
    hour = prices.prediction_hour(settings.machine_type)
    costs = [Cost(f"{workers} x {settings.machine_type}", workers * minutes / 60, "machine hour", hour)]
    return _size("vertex", workers, settings.machine_type, minutes, costs, load)


def _dataflow(load: Load, settings: Settings, prices: Prices) -> Size:
    _, cores, memory = size_of(settings.machine_type)
    workers, minutes = _workers(load.rows, (load.beam_rows or load.engine_rows) * cores, load.minutes, DATAFLOW_START)
    hours = workers * minutes / 60
    costs = [
        Cost("Dataflow vCPUs", hours * cores, "vCPU hour", prices["dataflow_core"]),
        Cost("Dataflow memory", hours * memory, "GB hour", prices["dataflow_memory"]),
        Cost("Dataflow disks", hours * DISK_GB, "GB hour", prices["dataflow_disk"]),
    ]
    return _size("beam", workers, settings.machine_type, minutes, costs, load)


def _machine(load: Load, settings: Settings, prices: Prices) -> Size:
    _, cores, _ = size_of(settings.machine_type)
    minutes = MACHINE_START + load.rows / (load.engine_rows * cores) / 60
    hour = prices.machine_hour(settings.machine_type)
    costs = [Cost(f"one {settings.machine_type} of Compute Engine", minutes / 60, "hour", hour)]
    return _size("local", 1, settings.machine_type, minutes, costs, load)


def _size(place: str, workers: int, machine: str, minutes: float, costs: list[Cost], load: Load) -> Size:
    return Size(place, f"invoke predict --on {place}", workers, machine, minutes, costs, minutes <= load.minutes)
