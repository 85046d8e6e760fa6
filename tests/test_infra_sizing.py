"""Workers and costs by Vertex AI's own rule, and by what the engine does."""

import pytest

from infra.costs import VERTEX_START
from infra.prices import UnknownPriceError, read_prices
from infra.settings import from_config
from infra.sizing import DATAFLOW_START, Load, size

MACHINE = "keras-batch-prediction:machineType"
CONFIG = {"gcp:project": "my-project", "gcp:region": "us-central1", MACHINE: "n1-standard-2"}


def test_workers_follow_the_services_rule() -> None:
    """Replicas are rows by seconds a row, over the minutes that start-up leaves; one fewer is late."""
    vertex, beam, local = size(Load(10_000_000, 30, engine_rows=100_000, service_rows=1000), from_config(CONFIG, "s"))
    assert vertex.workers == 7  # 10,000 s of work in 25 minutes
    assert vertex.minutes == pytest.approx(VERTEX_START + 10_000 / 60 / 7)
    assert vertex.in_time and VERTEX_START + 10_000 / 60 / 6 > 30
    assert beam.workers == 1
    assert beam.minutes == pytest.approx(DATAFLOW_START + 50 / 60)
    assert (local.workers, local.in_time) == (1, True)


def test_costs_are_worker_hours_by_the_price_table() -> None:
    """A job pays for all workers from start to end; Dataflow for their vCPUs, memory and disks."""
    vertex, beam, local = size(Load(3_600_000, 65, engine_rows=1_000_000, service_rows=1000), from_config(CONFIG, "s"))
    prices = read_prices()
    assert (vertex.workers, vertex.minutes) == (1, 65)
    assert vertex.usd == pytest.approx(65 / 60 * prices.prediction_hour("n1-standard-2"))
    hours = beam.minutes / 60
    assert beam.usd == pytest.approx(hours * (2 * 0.056 + 7.5 * 0.003557 + 25 * 0.000054))
    assert local.usd == pytest.approx(local.minutes / 60 * prices.machine_hour("n1-standard-2"))


def test_what_cannot_be_in_time_says_so() -> None:
    """Less time than a worker takes to start is not made up for by more workers."""
    vertex, *_ = size(Load(1000, 2), from_config(CONFIG, "s"))
    assert (vertex.workers, vertex.in_time) == (1, False)
    with pytest.raises(UnknownPriceError, match="'odd-9'"):
        size(Load(1000, 20), from_config({**CONFIG, MACHINE: "odd-9"}, "s"))
