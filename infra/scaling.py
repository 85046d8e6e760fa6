"""How the three places to predict scale: cost and time against rows, from measured speeds, as a picture and a page.

`invoke bench scaling` measures anew and draws; `python -m infra.scaling` draws from the speeds that were kept.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.costs import VERTEX_START
from infra.errors import InfraError
from infra.prices import Prices, read_prices
from infra.settings import Settings, from_config
from infra.sizing import DATAFLOW_START, MACHINE_START, Load, Size, size

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "model" / "docs"
SPEEDS, PICTURE, PAGE = DOCS / "scaling.json", DOCS / "scaling.svg", DOCS / "scaling.md"
QUICK_ROWS = "100000"
MACHINE = "n1-standard-2"
MINUTES = 60.0  # in which all rows are to be done, by as many workers as that takes
ROWS = [10**exponent * step for exponent in range(4, 10) for step in (1, 2, 5)]
SHOWN = (10_000, 1_000_000, 100_000_000, 1_000_000_000)
NAMES = {"vertex": "Vertex AI batch job", "beam": "engine on Dataflow", "local": "engine on one machine"}
COLOURS = {"vertex": "#d55e00", "beam": "#0072b2", "local": "#009e73"}  # told apart by all eyes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = argparse.ArgumentParser(prog="python -m infra.scaling", description=str(__doc__).splitlines()[0])
    made.add_argument("--measure", action="store_true", help="measure the speeds on this machine first; minutes")
    made.add_argument("--rows", default="1000000", metavar="N", help="rows of the measurement")
    made.add_argument("--quick", action="store_true", help="measure a tenth of the rows: whether all runs")
    made.add_argument("--json", action="store_true", help="end stdout with one JSON object; all else goes to stderr")
    options = made.parse_args(arguments)
    try:
        if options.measure:
            DOCS.mkdir(parents=True, exist_ok=True)
            SPEEDS.write_text(json.dumps(_measured(QUICK_ROWS if options.quick else options.rows), indent=2) + "\n")
        curves = compute(json.loads(SPEEDS.read_text()))
        draw(curves, PICTURE)
        PAGE.write_text(page(json.loads(SPEEDS.read_text()), curves))
    except InfraError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{PICTURE.relative_to(ROOT)}, {PAGE.name}, {SPEEDS.name}", file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps({"picture": str(PICTURE), "page": str(PAGE), "speeds": str(SPEEDS)}))
    return 0


def compute(speeds: dict[str, Any]) -> dict[str, list[Size]]:
    """Return each place's sizes for the numbers of rows in ROWS."""
    loads = [_load(rows, speeds["speeds"]) for rows in ROWS]
    found = [size(load, _settings(), _prices()) for load in loads]
    return {place: [each for sizes in found for each in sizes if each.place == place] for place in NAMES}


def draw(curves: dict[str, list[Size]], path: Path) -> None:
    """Draw cost a million rows, and minutes, against rows."""
    import matplotlib as mpl  # noqa: PLC0415 - of the bench's environment only

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "scaling"  # the same picture from the same speeds, byte for byte
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (cost, time) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for place, sizes in curves.items():
        line = {"color": COLOURS[place], "label": NAMES[place], "linewidth": 2}
        cost.plot(ROWS, [each.usd / rows * 1e6 for each, rows in zip(sizes, ROWS, strict=True)], **line)
        time.plot(ROWS, [each.minutes for each in sizes], **line)
    cost.set(xscale="log", yscale="log", xlabel="rows", ylabel="USD a million rows", title="Cost")
    time.set(xscale="log", yscale="log", xlabel="rows", ylabel="minutes", title=f"Time, wanted: {MINUTES:g} minutes")
    time.axhline(MINUTES, color="#999999", linestyle="--", linewidth=1)
    for each in (cost, time):
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    cost.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def page(speeds: dict[str, Any], curves: dict[str, list[Size]]) -> str:
    """Return the page that the picture stands in."""
    start = f"{VERTEX_START:g}, {DATAFLOW_START:g} and {MACHINE_START:g} minutes"
    rate = {way: f"{each['rows_per_second']:,.0f}" for way, each in speeds["speeds"].items()}
    lines = [
        "# How prediction scales",
        "",
        f"![Cost and time against rows]({PICTURE.name})",
        "",
        f"The tutorial's model on {MACHINE} machines of {_prices().region}, as many as predict all rows in {MINUTES:g}"
        " minutes; the engine on one machine takes the time it takes.",
        "",
        "| rows | " + " | ".join(f"{name}: workers, minutes, USD" for name in NAMES.values()) + " |",
        "|---" * (len(NAMES) + 1) + "|",
        *(_row(rows, curves) for rows in SHOWN),
        "",
        f"Measured on {speeds['measured']} ({speeds['processor']}), in rows a second of processor time: the engine"
        f" {rate['engine']}, its pipeline on Beam {rate['beam']}, the model server, asked for 64 at once,"
        f" {rate['service']} ([the numbers]({SPEEDS.name})).",
        "",
        "Assumed, not measured:",
        "",
        f"* Workers start in {start}, which are paid for.",
        "* A vCPU of the cloud is as fast as a processor that measured; a replica's server uses one of its vCPUs at a"
        " time, and the service adds nothing of its own: `invoke size` assumes 1,000 rows a second in its place.",
        "* Reading the bucket costs no time.",
        f"* List prices of infra/prices.json ({_prices().as_of}); Dataflow's are quoted without a date. Network and"
        " bucket are not counted.",
        "",
        "Below about a million rows the start is all that is paid for. Above, a row through a model server costs what"
        " HTTP and JSON cost; the engine reads the same rows from the bucket by ranges. `invoke size` answers for your"
        " numbers; `invoke bench scaling` measures and draws this page again.",
    ]
    return "\n".join(lines) + "\n"


def _row(rows: int, curves: dict[str, list[Size]]) -> str:
    sizes = [curves[place][ROWS.index(rows)] for place in NAMES]
    cells = [f"{each.workers}, {each.minutes:.1f}, {each.usd:.4f}" for each in sizes]
    return f"| {rows:,} | " + " | ".join(cells) + " |"


def _load(rows: int, speeds: dict[str, Any]) -> Load:
    rate = {way: each["rows_per_second"] for way, each in speeds.items()}
    return Load(rows, MINUTES, rate["engine"], rate["service"], rate["beam"])


def _settings() -> Settings:
    machine = {"keras-batch-prediction:machineType": MACHINE}
    return from_config({"gcp:project": "my-project", "gcp:region": _prices().region, **machine}, "scaling")


def _prices() -> Prices:
    return read_prices()


def _measured(rows: str) -> dict[str, Any]:
    """Measure by the model's own bench, in a process."""
    command = [sys.executable, "-m", "model.bench.speeds", "--rows", rows, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise InfraError(f"The speeds were not measured: code {done.returncode}, for the reason above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    raise SystemExit(main())
