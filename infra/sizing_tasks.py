"""How large a prediction has to be: workers for N rows in T minutes, wherever they run, and what that costs."""

from dataclasses import replace
from typing import Any

from invoke import Context

from infra import sizing
from infra.costs import VERTEX_START
from infra.errors import InfraError
from infra.prices import read_prices
from infra.reporting import answer, table
from infra.settings import from_config
from infra.stacks import read_stack
from infra.task_options import JSON, STACK, Facts, step

DEFAULT_ROWS, DEFAULT_MINUTES = 10_000_000, 30.0


@step(
    "Nothing was changed",
    rows=f"to predict (default: {DEFAULT_ROWS:,})",
    minutes=f"in which they are to be done, start-up included (default: {DEFAULT_MINUTES:g})",
    engine_rows=f"a second and vCPU by the batch engine: measure it (default: {sizing.ENGINE:,.0f})",
    service_rows=f"a second and replica by the service: measure it (default: {sizing.SERVICE:,.0f})",
    machine="of every worker (default: the stack's machineType)",
    **STACK,
    **JSON,
)
def size(  # each assumption is an option
    _: Context,
    rows: str = "",
    minutes: str = "",
    engine_rows: str = "",
    service_rows: str = "",
    machine: str = "",
    stack: str = "local",
    json: bool = False,
) -> Facts:
    """How many workers N rows need in T minutes, on vertex, beam and local, and what that costs on Google Cloud."""
    found = read_stack(stack)
    settings = from_config(found.config, stack)
    settings = replace(settings, machine_type=machine or settings.machine_type)
    load = sizing.Load(
        int(_number("--rows", rows, DEFAULT_ROWS)),
        _number("--minutes", minutes, DEFAULT_MINUTES),
        _number("--engine-rows", engine_rows, sizing.ENGINE),
        _number("--service-rows", service_rows, sizing.SERVICE),
    )
    prices = read_prices(settings.region)
    sizes = sizing.size(load, settings, prices)
    if not json:
        rows_of = [_row(each, load) for each in sizes]
        title = f"{load.rows:,} rows in {load.minutes:g} minutes, {prices.region}"
        table(title, ("place", "workers", "machine", "minutes", "USD", "USD a million rows", "in time"), rows_of)
    answer(json, sizing.facts(load, sizes), *(f"* {line}" for line in _assumed(load, prices)))
    return sizing.facts(load, sizes)


def _row(each: sizing.Size, load: sizing.Load) -> list[Any]:
    return [
        each.place,
        each.workers,
        each.machine,
        each.minutes,
        f"{each.usd:.3f}",
        f"{each.usd / load.rows * 1e6:.5f}",
        "yes" if each.in_time else "no",
    ]


def _assumed(load: sizing.Load, prices: Any) -> list[str]:
    start = f"{VERTEX_START:g}, {sizing.DATAFLOW_START:g} and {sizing.MACHINE_START:g} minutes"
    return [
        f"The engine predicts {load.engine_rows:,.0f} rows a second and vCPU, the service {load.service_rows:,.0f} a"
        " replica: both depend on the model. Measure yours, then run with: --engine-rows, --service-rows",
        f"Workers on vertex, Dataflow and one machine start in {start}, which are paid for",
        f"List prices of {prices.as_of} (infra/prices.json; Dataflow's are quoted without a date), machines alone",
    ]


def _number(option: str, text: str, default: float) -> float:
    if not text:
        return default
    try:
        number = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InfraError(f"{option} is {text!r}; wanted: a number above 0. Run: invoke size --help")
    return number
