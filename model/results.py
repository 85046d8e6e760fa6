"""Instances + result shards + error shards -> predictions joined by key, with every row accounted for."""

import argparse
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from model.accounting import Verdicts, judge
from model.batch_predict.folder import stats_name
from model.batch_predict.formats import Format
from model.command import Outcome, parser, run
from model.errors import UserError, unreadable
from model.files import replacing, sha256
from model.instance_files import Instances, instances_of, numbered_lines
from model.joining import JOINED_LINES, ODD, UNJOINED_LINES, write_joined
from model.keys import Key
from model.reading import Read, read, shard_lines
from model.result_folders import local_file, local_folder
from model.result_lines import Prediction, read_prediction
from model.summary import Summary, describe, summarise
from model.tables import FORMATS, write_tables

SUMMARY = "summary.json"
INCOMPLETE = 1
RESULT_NAMES = ("prediction.results-*", "predictions_*.jsonl")
ERROR_NAMES = ("prediction.errors-*", "prediction.errors_stats-*", "errors_*.jsonl")


def join(
    instances: Path | Instances,
    shards: Iterable[Path],
    errors: Iterable[Path],
    output: Path,
    formats: Sequence[str] = FORMATS,
    targets: Mapping[Key, float] | None = None,
) -> Summary:
    """Write `joined.*`, `unjoined.jsonl` and, last, `summary.json` to `output`, and return the summary.

    Keys and outputs are parted on disk, beside the output: memory does not grow with the rows.
    """
    started = time.perf_counter()
    known_formats(formats)
    asked = instances if isinstance(instances, Instances) else instances_of(instances)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".join-", dir=output) as name:
        found = read(asked, [*shards], [*errors], Path(name))
        _check_names(found)
        verdicts = judge(found, Path(name))
        _check_key_types(verdicts, formats)
        _clear(output)
        written = write_joined(asked, found, verdicts, output, targets or {})
        _keep_lists(found, verdicts, Path(name), output)
    write_tables(output / JOINED_LINES, formats)
    files = {file.name: sha256(file) for file in sorted(output.iterdir()) if file.name in _written(formats)}
    summary = summarise(found, verdicts, written, files, time.perf_counter() - started)
    with replacing(output / SUMMARY) as temporary:
        temporary.write_bytes(orjson.dumps(asdict(summary), option=orjson.OPT_INDENT_2) + b"\n")
    return summary


def _keep_lists(found: Read, verdicts: Verdicts, folder: Path, output: Path) -> None:
    """Put the lists of what belongs to no instance beside the results."""
    for keys in verdicts.lists.values():
        keys.close()
        if keys.count:
            keys.path.replace(output / keys.path.name)
    if found.malformed_count:
        (folder / "malformed").replace(output / "malformed.jsonl")


def _written(formats: Sequence[str]) -> set[str]:
    lists = (f"{name}.jsonl" for name in (*ODD, "unknown", "unknown_errors", "malformed"))
    return {JOINED_LINES, UNJOINED_LINES, *lists, *(f"joined.{kind}" for kind in formats)}


def known_formats(formats: Sequence[str] | None) -> tuple[str, ...]:
    """Return the formats that results are written in, all where none is named; raises UserError where one is none."""
    for kind in formats or ():
        if kind not in FORMATS:
            others = ", or ".join(f"--format {known}" for known in FORMATS)
            raise UserError(f"Cannot write results as {kind!r}. Run with: {others}")
    return tuple(formats or FORMATS)


def _check_names(found: Read) -> None:
    """Refuse instances whose own fields an output would overwrite."""
    both = sorted(found.fields & found.outputs)
    if both:
        raise UserError(f"Instances already have a field {both[0]!r}, which the model returns too. Rename the field.")


def _check_key_types(verdicts: Verdicts, formats: Sequence[str]) -> None:
    """Refuse to put integer and string keys in one column of a table."""
    if verdicts.text_keys and verdicts.number_keys and set(formats) - {"jsonl"}:
        raise UserError("Instances have integer and string keys, which no table's column holds. Use: --format jsonl")


def _clear(output: Path) -> None:
    """Remove an earlier join, its summary first: half of it must not pass for the whole."""
    for name in (SUMMARY, *sorted(_written(FORMATS))):
        (output / name).unlink(missing_ok=True)


def find_shards(folder: Path) -> tuple[list[Path], list[Path]]:
    """Find a job's result and error shards by the names that the services give them."""
    results = [file for pattern in RESULT_NAMES for file in sorted(folder.rglob(pattern))]
    errors = [file for pattern in ERROR_NAMES for file in sorted(folder.rglob(pattern))]
    named = {file.with_name(stats_name(file.name)) for file in errors}  # row by row, beside these
    errors = [file for file in errors if file not in named]
    if not results and not errors:
        raise UserError(f"No result shards in '{folder}'. Run: invoke predict")
    return results, errors


def join_places(
    places: tuple[str, str],
    output: Path,
    formats: Sequence[str] = FORMATS,
    kind: str = "",
    key: str = "key",
    targets: Mapping[Key, float] | None = None,
) -> Summary:
    """Join an instances file and a job's output folder, each on this machine or on gs://."""
    instances = local_file(places[0], output / "instances")
    shards, errors = find_shards(local_folder(places[1], output / "shards"))
    return join(asked_instances(instances, shards, kind, key), shards, errors, output, formats, targets)


def asked_instances(path: Path, shards: Sequence[Path], kind: str = "", key: str = "key") -> Instances:
    """Return an instances file; a CSV file's keys are of the kind that the results have: integers, or text."""
    found = instances_of(path, kind, key=key)
    return replace(found, text_keys=found.format is Format.CSV and _have_text_keys(shards))


def _have_text_keys(shards: Sequence[Path]) -> bool:
    for file in shards:
        for _, line in shard_lines(file, text_keys=False):
            try:
                prediction = read_prediction(line)
            except ValueError:
                continue
            if isinstance(prediction, Prediction):
                return prediction.key.startswith('"')
    return False


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
    summary = join_places(
        (options.instances, options.predictions),
        options.output,
        known_formats(options.format),
        options.instances_format,
        options.key_field,
        read_targets(options.targets) if options.targets else None,
    )
    return Outcome(describe(summary), asdict(summary), 0 if summary.complete else INCOMPLETE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; exit 1 where the results are not complete."""
    made = parser("model.results", "Instances + result shards -> predictions joined by key")
    made.add_argument("--instances", required=True, metavar="FILE", help="what was sent, with keys; or gs://")
    made.add_argument(
        "--instances-format", choices=[kind.value for kind in Format], default="", help="default: as its name tells"
    )
    made.add_argument("--key-field", default="key", metavar="F", help="the instances' field that holds the key")
    made.add_argument("--predictions", required=True, metavar="DIR", help="the job's output folder; or gs://")
    made.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the joined files go")
    made.add_argument("--format", action="append", choices=FORMATS, help="one format (repeat; default: all)")
    made.add_argument("--targets", type=Path, metavar="FILE", help="true prices by key, for the RMSE")
    return run(_program, made.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
