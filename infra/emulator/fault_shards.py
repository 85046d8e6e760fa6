"""The faults that strike a batch job's result: a shard is lost, a row comes twice."""

from pathlib import Path

from infra.emulator.faults import Faults

JOB = "aiplatform.projects.locations.batchPredictionJobs.create"  # AI Platform's jobs run as these


def strike(faults: Faults, output: Path) -> None:
    """Spoil the shards of a finished run, before they are put into the bucket."""
    for _, numbers in faults.strike("lostShard", JOB):
        if shards := _shards(output):
            numbers.choice(shards).unlink()
    for _, numbers in faults.strike("duplicatedRow", JOB):
        if shards := _shards(output):
            rows = (shard := numbers.choice(shards)).read_bytes().splitlines(keepends=True)
            with shard.open("ab") as file:
                file.write(numbers.choice(rows))


def _shards(output: Path) -> list[Path]:
    """Return the shards of results that hold rows, in the order of their numbers."""
    return [path for path in sorted(output.glob("prediction.results-*")) if path.stat().st_size]
