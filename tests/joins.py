"""Small joins: instances, one shard of results, one of errors, and what came out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from model.results import join
from model.summary import Summary


def write(path: Path, rows: Iterable[Any]) -> Path:
    """Write rows as JSON lines; bytes as they are."""
    path.write_bytes(b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows))
    return path


def joined(
    folder: Path, instances: Sequence[Any], results: Sequence[Any], errors: Sequence[Any] = (), **options: Any
) -> Summary:
    """Join one shard of results and one of errors to some instances."""
    asked = write(folder / "instances.jsonl", instances)
    shard, refused = write(folder / "prediction.results-0", results), write(folder / "prediction.errors-0", errors)
    return join(asked, [shard], [refused], folder / "out", options.pop("formats", ("jsonl",)), **options)


def rows_of(folder: Path, name: str = "joined.jsonl") -> list[Any]:
    """Read back what was written."""
    return [orjson.loads(line) for line in (folder / "out" / name).read_bytes().splitlines()]


def instance(key: Any) -> dict[str, Any]:
    """Make an instance that shows its key."""
    return {"features": [1.0, 2.0], "key": key}
