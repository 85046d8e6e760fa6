"""What is measured of a server, and what is wanted of the local cloud."""

import json
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.cloud_bench.calls import rate
from infra.cloud_bench.servers import Server
from infra.cloud_bench.transfers import MEGABYTE, connect, make_file, roomy, transfer

MIB = 1 << 20
BUCKET = "bench-bucket"
TRANSFERS = 5
Progress = Callable[[float, object], None]


@dataclass(frozen=True)
class Size:
    """How much is done."""

    calls: int = 10_000  # over one connection
    long_run: int = 100_000  # over eight
    megabytes: int = 200


QUICK = Size(1_000, 8_000, 20)


@dataclass(frozen=True)
class Figures:
    """What was measured of one server."""

    start_seconds: float
    calls_one: float  # a second, over one connection
    calls_eight: float
    processor_microseconds: float  # of the server, a call
    memory_before: float  # MiB, after the first tenth of the long run
    memory_after: float
    upload: float  # MB/s
    download: float


@dataclass(frozen=True)
class Target:
    """What is wanted of the local cloud, and what it does."""

    what: str
    wanted: str
    measured: str
    met: bool


def measure(server: Server, size: Size, progress: Progress) -> Figures:
    """Measure one server; a call is the GET of a bucket, which both servers know."""
    body = json.dumps({"name": BUCKET}).encode()
    request = urllib.request.Request(
        f"{server.url}/storage/v1/b?project=bench", body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=30).close()
    path = f"/storage/v1/b/{BUCKET}"
    rate(server.port, path, 500, 1, lambda _: None)  # both warm
    one = rate(server.port, path, size.calls, 1, lambda n: progress(0.2 * n / size.calls, "one connection"))
    first = size.long_run // 10
    rate(server.port, path, first, 8, lambda n: progress(0.2 + 0.1 * n / first, "eight connections"))
    before, used = server.memory(), server.processor_seconds()
    rest = size.long_run - first
    eight = rate(server.port, path, rest, 8, lambda n: progress(0.3 + 0.5 * n / rest, "eight connections"))
    each = 1e6 * (server.processor_seconds() - used) / rest
    after = server.memory()
    up, down = _transfers(server, size, progress)
    return Figures(server.start_seconds, one, eight, each, before / MIB, after / MIB, up, down)


def _transfers(server: Server, size: Size, progress: Progress) -> tuple[float, float]:
    """Return the best of several transfers each way; each has what the machine does besides in it."""
    tries: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="cloud-bench-", dir=roomy(3 * size.megabytes * MEGABYTE)) as folder:
        source = Path(folder) / "source"
        make_file(source, size.megabytes)
        client = connect(server.url)
        try:
            for number in range(TRANSFERS):
                progress(0.8 + 0.2 * number / TRANSFERS, f"{size.megabytes} MB up and down")
                tries.append(transfer(client, BUCKET, source))
        finally:
            client.close()
    return max(up for up, _ in tries), max(down for _, down in tries)


def targets(found: Figures) -> list[Target]:
    """Hold the local cloud's figures against what is wanted of it."""
    grown = found.memory_after - found.memory_before
    return [
        Target("start", "under 2 s", f"{found.start_seconds:.2f} s", found.start_seconds < 2),
        Target("calls, one connection", "1,500 a second", f"{found.calls_one:,.0f}", found.calls_one >= 1500),
        Target("calls, eight connections", "more", f"{found.calls_eight:,.0f}", found.calls_eight > found.calls_one),
        Target("memory over the long run", "flat (8 MiB)", f"{grown:+.1f} MiB", grown < 8),
        Target("upload", "150 MB/s", f"{found.upload:,.0f} MB/s", found.upload >= 150),
        Target("download", "300 MB/s", f"{found.download:,.0f} MB/s", found.download >= 300),
    ]
