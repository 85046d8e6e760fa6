"""AI Platform's `outputDataFormat: CSV`: shards as comma-separated rows, the columns' names in a file of their own.

Written as Google's open batch prediction pipeline wrote them: rows without a header, lists as Python prints them.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from infra.emulator.resources import Json

HEADER = "prediction.results_header.csv"


def as_tables(shards: Mapping[Path, str], output: Path) -> dict[Path, str]:
    """Write the tables of result shards beside these, and return the name of each file, the header's too."""
    columns = list(next((row for path in shards for row in _rows(path)), {}))
    names = {_written(output / HEADER, columns, []): HEADER}
    for path, name in shards.items():
        names[_written(path.with_name(f"{path.name}.csv"), columns, _rows(path), header=False)] = f"{name}.csv"
    return names


def _rows(path: Path) -> Iterator[Json]:
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def _written(target: Path, columns: list[str], rows: Iterator[Json] | list[Json], *, header: bool = True) -> Path:
    target.unlink(missing_ok=True)  # where a run is published again, the bucket has the old file: it must not change
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if header:
            writer.writeheader()
        writer.writerows(rows)
    return target
