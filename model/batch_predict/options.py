"""The options that say what is predicted and how it is written, whatever runs it: on command lines, and as settings."""

import argparse
import os
from pathlib import Path
from typing import Any

from model.batch_predict.formats import Format
from model.batch_predict.settings import Settings, Threshold
from model.batch_predict.transforms import add_options, chosen_config
from model.gcs import SCHEME
from model.model_cache import fetched

SUMMARY = ("state", "instances", "predicted", "failed", "not_attempted", "blank_lines", "error_codes", "stopped_at")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what every run takes."""
    add = parser.add_argument
    add("--saved-model", required=True, metavar="DIR", help="the exported model, here or on gs://")
    add("--input", nargs="+", action="append", required=True, metavar="GLOB", help="files or folders, here or on gs://")
    add("--output", required=True, metavar="DIR", help="a folder for result shards, error shards, manifest")
    add(
        "--instances-format",
        choices=[kind.value for kind in Format],
        help="of all files (default: .csv, .tfrecord, … tell; else jsonl)",
    )
    add(
        "--csv-rows", choices=("object", "array"), default="", help="columns are the inputs, or as Vertex AI sends them"
    )
    add("--signature", default="serving_default", metavar="NAME")
    add("--batch-size", type=positive, metavar="N", help="rows per call of the model")
    add("--shards", type=positive, metavar="N", help="result files")
    add("--seed", type=int, metavar="N", help="scatter the rows over the shards; default: in input order")
    add("--with-instance", action="store_true", help='write {"instance": …, "prediction": …} as Vertex AI does')
    add("--max-errors", type=threshold, metavar="N|P%", help="how many rows may fail")
    add("--on-duplicate-key", choices=("error", "keep"), default="keep", help="refuse, or count and tell (default)")
    add("--resume", action="store_true", help="continue the run that the output folder holds")
    add_options(parser)
    add("--json", action="store_true", help="a JSON summary as the last line of standard output")


def run_settings(options: argparse.Namespace, **others: Any) -> Settings:
    """Return the settings that `add_run_options` reads, with others."""
    config = chosen_config(options)
    return Settings(
        saved_model=model_folder(options.saved_model),
        patterns=tuple(pattern for patterns in options.input for pattern in patterns),
        output=Path(options.output),
        signature=options.signature,
        batch_size=options.batch_size,
        shards=options.shards,
        seed=options.seed,
        with_instance=options.with_instance or bool(config.of_objects or config.type),
        resume=options.resume,
        max_errors=options.max_errors,
        on_duplicate_key=options.on_duplicate_key,
        config=config,
        instances_format=Format(options.instances_format) if options.instances_format else None,
        csv_rows=options.csv_rows,
        **others,
    )


def model_folder(place: str) -> Path:
    """Return the folder of a model; one on gs:// is fetched."""
    return fetched(place) if place.startswith(SCHEME) else Path(place)


def summary_of(manifest: dict[str, Any], output: object) -> dict[str, Any]:
    """Return what a run's JSON summary says."""
    names = (*SUMMARY, "shards", "workers", "runner", "fallback", "seconds", "duplicate_keys")
    return {"output": str(output)} | {name: manifest.get(name, "") for name in names}


def warnings_of(manifest: dict[str, Any], output: object) -> list[str]:
    """Say in lines what a person should know of a run that has ended."""
    lines = []
    if not manifest["instances"]:
        lines.append("there is no instance in the input")
    if reason := manifest.get("fallback"):
        lines.append(f"predicted by TensorFlow's Python package, for its C API cannot be used: {reason}")
    if manifest["failed"]:
        codes = ", ".join(f"{code} {rows:,}" for code, rows in manifest["error_codes"].items())
        lines.append(f"{manifest['failed']:,} failed ({codes}): {output}/prediction.errors-*")
    if manifest["duplicate_keys"]:
        again = f"{manifest['duplicate_keys']:,} instances have the key of another, which predictions do not tell apart"
        lines.append(f"{again}: {manifest['first_duplicates'][0]}")
    return [f"warning: {line}" for line in lines]


def processors() -> int:
    """Return how many processors this process may use; only Linux tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threshold(text: str) -> Threshold:
    """Read a number of rows, or a percentage."""
    number = float(text.removesuffix("%"))
    if not 0 <= number < float("inf"):
        raise ValueError
    return Threshold(number, text.endswith("%"))


def positive(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number
