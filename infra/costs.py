"""What a stack costs a month and a batch job costs once: settings and assumed use, by the price table."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.prices import Prices, UnknownPriceError, read_prices
from infra.serving_image import PREBUILT, has_registry
from infra.settings import Settings, from_config
from infra.stacks import Stack, StackError

VERTEX_START = 5.0  # minutes, by Google's guide to batch predictions: machines start, models load; paid for


@dataclass(frozen=True)
class Use:
    """How a stack is used, as far as its settings do not say: every number is an assumption to be overridden."""

    rows: int = 1_000_000
    rows_per_second: float = 1_000.0  # of one machine; Vertex AI's own figure depends on the model
    startup_minutes: float = VERTEX_START
    machines: int = 1
    storage_gib: float = 10.0
    notebook_hours: float = 40.0


@dataclass(frozen=True)
class Cost:
    """One line of an estimate."""

    what: str
    quantity: float
    unit: str
    unit_usd: float

    @property
    def usd(self) -> float:
        """The line's amount."""
        return self.quantity * self.unit_usd


@dataclass(frozen=True)
class Estimate:
    """A stack's cost a month, a job's cost, and all that had to be assumed."""

    region: str
    as_of: str
    month: Sequence[Cost]
    job: Sequence[Cost]
    assumptions: Sequence[str]

    @property
    def month_usd(self) -> float:
        """What the stack costs in a month without jobs."""
        return sum(cost.usd for cost in self.month)

    @property
    def job_usd(self) -> float:
        """What one job costs."""
        return sum(cost.usd for cost in self.job)


def use_of(**texts: str) -> Use:
    """Read a use from a command line's options, "" where one is not given.

    Raises:
        StackError: one is no number, or makes no sense.
    """
    given = {name: _number(name, text) for name, text in texts.items() if text}
    return Use(**{name: type(getattr(Use, name))(number) for name, number in given.items()})


def estimate(settings: Settings, use: Use | None = None, prices: Prices | None = None) -> Estimate:
    """Estimate what a stack on Google Cloud costs.

    Raises:
        UnknownPriceError: the table has no price of a machine.
    """
    use, prices = use or Use(), prices or read_prices(settings.region)
    month, job = _month(settings, use, prices), _job(settings, use, prices)
    return Estimate(prices.region, prices.as_of, month, job, _assumptions(settings, use, prices))


def cost_line(settings: Settings) -> str:
    """Return a stack's estimate as the one line that a preview shows."""
    try:
        found, prices = estimate(settings), read_prices(settings.region)
    except UnknownPriceError as error:
        return f"Costs are not known: {error}"
    dearest = max(found.month, key=lambda cost: cost.usd).what.partition(":")[0]
    where = f"{settings.region}, prices of {prices.as_of}"
    return (
        f"On Google Cloud about {found.month_usd:,.2f} USD a month ({where}; most of it: {dearest}) and"
        f" {found.job_usd:,.2f} USD a job of {Use.rows:,} rows. See: invoke costs"
    )


def cost_facts(stack: Stack) -> dict[str, Any] | None:
    """Return a stack's estimate as preview has it for JSON, in USD; None where a price is not known.

    Raises:
        SettingError: a setting is wrong.
    """
    try:
        known = facts(estimate(from_config(stack.config, stack.name)))
    except UnknownPriceError:
        return None
    return {name: known[name] for name in ("monthUsd", "jobUsd", "region", "pricesOf")}


def facts(found: Estimate) -> dict[str, Any]:
    """Return an estimate for JSON, amounts in USD."""
    return {
        "region": found.region,
        "pricesOf": found.as_of,
        "month": [_cost(cost) for cost in found.month],
        "job": [_cost(cost) for cost in found.job],
        "monthUsd": round(found.month_usd, 2),
        "jobUsd": round(found.job_usd, 4),
        "assumptions": list(found.assumptions),
    }


def _month(settings: Settings, use: Use, prices: Prices) -> list[Cost]:
    hours = prices["hours_a_month"]
    online = prices.prediction_hour(settings.machine_type)
    stored = has_registry(settings) and settings.serving_image != PREBUILT
    costs = [
        Cost("bucket", use.storage_gib, "GiB month", prices["storage"]),
        *[Cost("serving image", prices["image_gib"], "GiB month", prices["image"])] * stored,
    ]
    costs += [
        Cost(f"endpoint {wrapper}: one {settings.machine_type}, always on", hours, "hour", online)
        for wrapper in settings.endpoints
    ]
    if settings.kms_key == "new":
        costs.append(Cost("key: its current version", 1, "month", prices["key_version"]))
    if settings.private_network and settings.network_internet:
        costs.append(Cost("NAT: its address", hours, "hour", prices["nat_address"]))
        costs.append(Cost("NAT: the notebook while it runs", use.notebook_hours, "hour", prices["nat_machine"]))
    if settings.notebook:
        machine = settings.notebook_machine_type
        costs += [
            Cost(f"notebook: {machine} while it runs", use.notebook_hours, "hour", prices.machine_hour(machine)),
            Cost("notebook: disks, also while it is off", prices["notebook_disk_gib"], "GiB month", prices["disk"]),
        ]
    return costs


def _job(settings: Settings, use: Use, prices: Prices) -> list[Cost]:
    hour = prices.prediction_hour(settings.machine_type)
    work = use.rows / use.rows_per_second / 3600
    return [
        Cost(
            f"{use.machines} x {settings.machine_type} starting", use.machines * use.startup_minutes / 60, "hour", hour
        ),
        Cost(f"{use.rows:,} rows", work, "machine hour", hour),
    ]


def _assumptions(settings: Settings, use: Use, prices: Prices) -> list[str]:
    told = [
        f"A job's machine starts for {use.startup_minutes:g} minutes, then predicts {use.rows_per_second:,.0f} rows a"
        " second; --startup-minutes, --rows-per-second",
        f"The bucket holds {use.storage_gib:g} GiB; --storage-gib",
        *[f"The notebook runs {use.notebook_hours:g} hours a month; --notebook-hours"] * settings.notebook,
    ]
    if prices.region != prices.base:
        ratio = f"the ratio of both regions' prices on {prices.regions_as_of} ({prices.regions_source})"
        told.append(f"Machines, disks and storage in {prices.region}: {prices.base}'s price times {ratio}")
        told.append("c2, n2 and n2d machines there are taken to follow n1 machines, balanced disks to follow SSD disks")
    others = {name for name in prices.figures if name.endswith(("_core", "_memory"))} - _of_machines(settings)
    others |= {"dataflow_disk"}
    others |= set() if settings.notebook else {"notebook_disk_gib", "disk"}
    others |= set() if settings.kms_key == "new" else {"key_version"}
    others |= set() if settings.private_network and settings.network_internet else {"nat_machine", "nat_address"}
    noted = [figure for name, figure in prices.figures.items() if figure.note and name not in others]
    told += [f"{figure.value:g} {figure.unit}: {figure.note}" for figure in noted]
    sources = sorted({figure.source for figure in prices.figures.values() if figure.as_of})
    told.append(f"Other list prices are of {prices.as_of} or a few days before: {', '.join(sources)}")
    told.append(f"Figures were taken from {prices.read_from}: check them before you rely on them")
    return [*told, f"Not counted: {prices.not_counted}"]


def _of_machines(settings: Settings) -> set[str]:
    """Return the names of the figures that the stack's machines are priced by."""
    machines = [settings.machine_type, *[settings.notebook_machine_type] * settings.notebook]
    families = {machine.partition("-")[0] for machine in machines}
    return {f"{family}_{part}" for family in families for part in ("core", "memory")}


def _number(name: str, text: str) -> float:
    positive = name in {"machines", "rows_per_second"}
    plain = text.replace(",", "").replace("_", "")
    number = float(plain) if re.fullmatch(r"\d{1,15}(\.\d+)?(e\d{1,2})?", plain) else -1.0
    if not 0 <= number < 1e15 or (positive and number < (1 if name == "machines" else 1e-6)):
        wanted = "a number above 0" if positive else "a number from 0"
        msg = f"--{name.replace('_', '-')} is {text!r}; wanted: {wanted}. Run: invoke costs --help"
        raise StackError(msg)
    return number


def _cost(cost: Cost) -> dict[str, Any]:
    return {**asdict(cost), "usd": round(cost.usd, 4)}
