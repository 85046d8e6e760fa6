"""`python -m infra.cloud_bench`: the local cloud's speed beside fake-gcs-server's, and against its targets."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from infra.cloud_bench.figures import QUICK, Figures, Size, measure, targets
from infra.cloud_bench.servers import fake_gcs_server, local_cloud
from infra.errors import InfraError
from infra.reporting import answer, fraction_bar, say, table

ROWS = {
    "start_seconds": "start, s",
    "calls_one": "calls a second, one connection",
    "calls_eight": "calls a second, eight connections",
    "processor_microseconds": "processor time a call, microseconds",
    "memory_before": "memory after a tenth of the calls, MiB",
    "memory_after": "memory after all of them, MiB",
    "upload": "upload by google-cloud-storage, MB/s",
    "download": "download by google-cloud-storage, MB/s",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both servers, one after the other; 1 where one cannot be measured."""
    options = _parser().parse_args(arguments)
    try:
        found = _measured(QUICK if options.quick else Size())
    except InfraError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Nothing is left behind. Run again: invoke bench cloud", file=sys.stderr)
        return 130
    _tell(found, as_json=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.cloud_bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls and bytes: whether all runs")
    parser.add_argument("--json", action="store_true", help="one JSON object as stdout's last line")
    return parser


def _measured(size: Size) -> dict[str, Figures]:
    found = {}
    for make in (local_cloud, fake_gcs_server):
        with make() as server, fraction_bar(server.name) as bar:
            say(f"{server.name}: {size.calls + size.long_run:,} calls, {size.megabytes} MB up and down")
            found[server.name] = measure(server, size, bar)
    return found


def _tell(found: dict[str, Figures], *, as_json: bool) -> None:
    ours = targets(found["local cloud"])
    facts: dict[str, Any] = {name: asdict(figures) for name, figures in found.items()}
    facts["targets"] = [asdict(target) for target in ours]
    if not as_json:
        rows = [[title, *(getattr(one, name) for one in found.values())] for name, title in ROWS.items()]
        table(
            "One call is the GET of a bucket; both keep objects as files, the client's own lie in memory.",
            ["", *found],
            rows,
        )
    verdicts = [
        f"{'ok    ' if one.met else 'missed'} {one.what}: {one.measured} (wanted: {one.wanted})" for one in ours
    ]
    answer(as_json, facts, *verdicts)


if __name__ == "__main__":
    sys.exit(main())
