"""Instances + result shards + error shards -> predictions joined by key, with every row accounted for."""

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson
import polars as pl

from model.accounting import JOINED, Lines, classify, numbered_lines, read
from model.command import Outcome, parser, run
from model.errors import UserError, unreadable
from model.files import replacing, sha256
from model.keys import Key
from model.result_lines import key_value
from model.summary import Summary, describe, summarise
from model.tables import FORMATS, write_tables

SUMMARY = "summary.json"
JOINED_LINES = "joined.jsonl"
UNJOINED_LINES = "unjoined.jsonl"  # instances without a prediction, as they came: ready to be asked again
INCOMPLETE = 1
RESULT_NAMES = ("prediction.results-*", "predictions_*.jsonl")
ERROR_NAMES = ("prediction.errors-*", "prediction.errors_stats-*", "errors_*.jsonl")


def join(
    instances: Path,
    shards: Iterable[Path],
    errors: Iterable[Path],
    output: Path,
    formats: Sequence[str] = FORMATS,
    targets: Mapping[Key, float] | None = None,
) -> Summary:
    """Write `joined.*`, `unjoined.jsonl` and, last, `summary.json` to `output`, and return the summary."""
    started = time.perf_counter()
    _check_formats(formats)
    if not instances.is_file():
        raise UserError(f"No instances at '{instances}'. Run: invoke predict")
    lines = read(instances, shards, errors)
    _check_names(lines)
    rows = classify(lines)
    _check_key_types(rows, formats)
    _clear(output)
    squared = _write_lines(instances, rows, output, targets or {})
    write_tables(output / JOINED_LINES, formats)
    files = {file.name: sha256(file) for file in sorted(output.iterdir()) if file.name in _written(formats)}
    summary = summarise(lines, rows, squared, files, time.perf_counter() - started)
    with replacing(output / SUMMARY) as temporary:
        temporary.write_bytes(orjson.dumps(asdict(summary), option=orjson.OPT_INDENT_2) + b"\n")
    return summary


def _written(formats: Sequence[str]) -> set[str]:
    return {JOINED_LINES, UNJOINED_LINES, *(f"joined.{kind}" for kind in formats)}


def _check_formats(formats: Sequence[str]) -> None:
    for kind in formats:
        if kind not in FORMATS:
            raise UserError(f"Cannot write results as {kind!r}. There are: {', '.join(FORMATS)}")


def _check_names(lines: Lines) -> None:
    """Refuse instances whose own fields an output would overwrite."""
    both = sorted(lines.fields & lines.outputs)
    if both:
        raise UserError(f"Instances already have a field {both[0]!r}, which the model returns too. Rename the field.")


def _check_key_types(rows: pl.DataFrame, formats: Sequence[str]) -> None:
    """Refuse to put integer and string keys in one column of a table."""
    text = rows.filter(pl.col("status") == JOINED).select(pl.col("key").str.starts_with('"').alias("text"))["text"]
    if text.any() and not text.all() and set(formats) - {"jsonl"}:
        raise UserError("Instances have integer and string keys, which no table's column holds. Use: --format jsonl")


def _clear(output: Path) -> None:
    """Remove an earlier join, its summary first: half of it must not pass for the whole."""
    output.mkdir(parents=True, exist_ok=True)
    for name in (SUMMARY, *sorted(_written(FORMATS))):
        (output / name).unlink(missing_ok=True)


def _write_lines(instances: Path, rows: pl.DataFrame, output: Path, targets: Mapping[Key, float]) -> list[float]:
    """Write joined and unjoined lines in the instances' order; return the squared errors against `targets`."""
    squared: list[float] = []
    with (
        replacing(output / JOINED_LINES) as joined,
        replacing(output / UNJOINED_LINES) as unjoined,
        joined.open("wb") as joined_file,
        unjoined.open("wb") as unjoined_file,
    ):
        answered = rows.select("key", "status", "outputs").iter_rows()
        for (_, line), (key, status, outputs) in zip(numbered_lines(instances), answered, strict=True):
            if status == JOINED:
                joined_file.write(_with_outputs(line, outputs))
                squared.extend(_squared_error(key, outputs, targets))
            else:
                unjoined_file.write(line + b"\n")
    return squared


def _with_outputs(line: bytes, outputs: str) -> bytes:
    """Add outputs to an instance's JSON object, whose own text stays as it is."""
    return line[:-1] + (b"," + outputs.encode() if outputs else b"") + b"}\n"


def _squared_error(key: str, outputs: str, targets: Mapping[Key, float]) -> Iterator[float]:
    """Yield the squared error, where the truth is known and the prediction is one number."""
    truth = targets.get(key_value(key)) if targets else None
    if truth is None:
        return
    value = orjson.loads("{" + outputs + "}").get("prediction")
    number = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        yield (number - truth) ** 2


def find_shards(folder: Path) -> tuple[list[Path], list[Path]]:
    """Find a job's result and error shards by the names that the services give them."""
    results = [file for pattern in RESULT_NAMES for file in sorted(folder.rglob(pattern))]
    errors = [file for pattern in ERROR_NAMES for file in sorted(folder.rglob(pattern))]
    if not results and not errors:
        raise UserError(f"No result shards in '{folder}'. Run: invoke predict")
    return results, errors


def read_targets(path: Path) -> dict[Key, float]:
    """Read `{"key", "price"}` lines, as `model.dataset` writes them."""
    try:
        rows = [orjson.loads(line) for _, line in numbered_lines(path)]
        return {row["key"]: float(row["price"]) for row in rows}
    except FileNotFoundError:
        raise UserError(f"No true prices at '{path}'. Run: python -m model.dataset --targets FILE") from None
    except (ValueError, TypeError, KeyError) as error:
        raise unreadable(f"True prices at '{path}'", error, 'Lines are {"key": 0, "price": 7.2}') from None


def _program(options: argparse.Namespace) -> Outcome:
    shards, errors = find_shards(options.predictions)
    targets = read_targets(options.targets) if options.targets else None
    formats = tuple(options.format or FORMATS)
    summary = join(options.instances, shards, errors, options.output, formats, targets)
    return Outcome(describe(summary), asdict(summary), 0 if summary.complete else INCOMPLETE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; exit 1 where the results are not complete."""
    made = parser("model.results", "Instances + result shards -> predictions joined by key")
    made.add_argument("--instances", type=Path, required=True, metavar="FILE", help="what was sent, with keys")
    made.add_argument("--predictions", type=Path, required=True, metavar="DIR", help="the job's output folder")
    made.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the joined files go")
    made.add_argument("--format", action="append", choices=FORMATS, help="one format (repeat; default: all)")
    made.add_argument("--targets", type=Path, metavar="FILE", help="true prices by key, for the RMSE")
    return run(_program, made.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
