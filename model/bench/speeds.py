"""What a start and a row cost in processor time, measured: whole processes of two sizes, and a server that answers."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.bench.processes import FailedError, adopt_orphans, measure
from model.bench.rows import features, write_rows
from model.command import Outcome, parser, run
from model.errors import UserError

PROGRAMS = {"engine": "model.batch_predict", "beam": "model.beam_predict"}
SMALL = 10  # the smaller size is this much smaller
BATCH = 64  # rows that Vertex AI sends its server at once


@dataclass(frozen=True)
class Speed:
    """A way's processor seconds to start, and the rows that one more processor second predicts."""

    start_seconds: float
    rows_per_second: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = parser("model.bench.speeds", "Processor time of a start and of a row: engine, Beam pipeline, model server.")
    keyed = Path("build/saved_model/decorator")
    made.add_argument("--saved-model", type=Path, default=keyed, metavar="DIR", help="the keyed model")
    made.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="of the larger size")
    return run(_speeds, made.parse_args(arguments))


def _speeds(options: argparse.Namespace) -> Outcome:
    if not options.saved_model.exists():
        raise UserError(f"No model at '{options.saved_model}'. Run: invoke train export")
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        sizes = [write_rows(folder / str(count), count, 1) for count in (options.rows // SMALL, options.rows)]
        try:
            points = [
                {"way": way, "rows": rows.count, "cpu": _cpu(module, options.saved_model, rows.pattern, folder)}
                for way, module in PROGRAMS.items()
                for rows in sizes
            ]
        except FailedError as error:
            raise UserError(f"The bench ends: {error}") from None
    speeds = {way: asdict(_speed([point for point in points if point["way"] == way])) for way in PROGRAMS}
    speeds["service"] = asdict(_service(options.saved_model, max(options.rows // 50, BATCH)))
    data = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "processor": _processor(), "points": points, "speeds": speeds}
    told = "{way}: {start_seconds:.2f} s to start, {rows_per_second:,.0f} rows/s"
    lines = [told.format(way=way, **each) for way, each in speeds.items()]
    return Outcome("\n".join(["Processor seconds on this machine:", *lines]), data)


def _cpu(module: str, saved_model: Path, pattern: str, folder: Path) -> float:
    """Return the least processor time of two runs: what a busy machine adds is not the program's."""
    taken = []
    for number in range(2):
        output = Path(tempfile.mkdtemp(dir=folder)) / str(number)
        command = [sys.executable, "-m", module, "--saved-model", str(saved_model), "--input", pattern]
        taken.append(measure([*command, "--output", str(output)], {}).cpu)
        print(f"{module}: {taken[-1]:.2f} s CPU", file=sys.stderr, flush=True)
    return min(taken)


def _speed(points: Sequence[dict[str, Any]]) -> Speed:
    """Return the line through two points."""
    small, large = points
    a_row = max((large["cpu"] - small["cpu"]) / (large["rows"] - small["rows"]), 1e-9)
    return Speed(max(small["cpu"] - a_row * small["rows"], 0.0), 1 / a_row)


def _service(saved_model: Path, count: int) -> Speed:
    """Send rows to a model server batch by batch, as Vertex AI does; return what they took of its processor time."""
    settings = {"AIP_STORAGE_URI": str(saved_model), "AIP_HTTP_PORT": "0", "AIP_HTTP_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "model.serve", "--die-with-parent"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **settings})
    try:
        address = server.stdout.readline().split()[1] if server.stdout else ""
        rows = [row.tolist() for chunk in features(count) for row in chunk]
        _send(address, rows[:BATCH])
        started = _processor_seconds(server.pid)
        for first in range(0, count, BATCH):
            _send(address, rows[first : first + BATCH])
        return Speed(started, count / max(_processor_seconds(server.pid) - started, 1e-6))
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


def _send(address: str, rows: Sequence[Sequence[float]]) -> None:
    instances = [{"features": row, "key": key} for key, row in enumerate(rows)]
    body = json.dumps({"instances": instances}).encode()
    request = urllib.request.Request(f"{address}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answered = len(json.load(answer)["predictions"])
    if answered != len(rows):
        raise UserError(f"The server answers {answered} of {len(rows)} instances")


def _processor_seconds(pid: int) -> float:
    """Return a running process's processor time, as Linux tells it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else f"{os.cpu_count()} processors"


if __name__ == "__main__":
    raise SystemExit(main())
