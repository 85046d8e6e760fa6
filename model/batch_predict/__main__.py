"""The engine's command line: `python -m model.batch_predict --saved-model DIR --input GLOB… --output DIR`."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

# NumPy only copies here: its threads would idle, and cost start-up.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from model.batch_predict.options import (
    add_run_options,
    positive,
    processors,
    run_settings,
    summary_of,
    warnings_of,
)
from model.batch_predict.parity import SERVICES
from model.batch_predict.progress import Watch, chosen_watches
from model.batch_predict.remote_output import staging, upload
from model.batch_predict.run import run
from model.batch_predict.settings import BrokenOffError, Exit, Settings, State, UnusableError
from model.batch_predict.tables import TableFormat
from model.batch_predict.totals import Totals
from model.gcs import SCHEME
from model.lifetime import starter
from model.signature import UnusableModelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the engine and return its exit code."""
    options = _parser().parse_args(arguments)
    stop = _Stop()
    try:
        with ExitStack() as stack:
            watches = [stop.check, *chosen_watches(options.progress, stack)]
            manifest = _run(_settings(options), options.output, watches)
    except (UnusableError, UnusableModelError) as error:
        return _refuse(str(error), Exit.UNUSABLE)
    except BrokenOffError as error:
        return _refuse(f"{error}. Nothing is lost: run again with --resume", Exit.INTERRUPTED_IO)
    _report(manifest, options)
    return {State.FINISHED: Exit.OK, State.STOPPED: Exit.THRESHOLD}.get(manifest["state"], stop.code)


def _run(settings: Settings, output: str, watches: Sequence[Watch]) -> dict[str, Any]:
    if not output.startswith(SCHEME):
        return run(settings, watches)
    folder = staging(output)
    manifest = run(replace(settings, output=folder, address=output), watches)
    upload(folder, output, finished=manifest["state"] == State.FINISHED)
    return manifest


class _Stop:
    """The signals that ask for an end; the run is told when it next looks."""

    def __init__(self) -> None:
        self.code = Exit.SIGTERM
        self.asked = False
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.code = Exit.SIGINT if number == signal.SIGINT else Exit.SIGTERM
        self.asked = True

    def check(self, totals: Totals) -> None:
        if self.asked and not totals.stop.is_set():
            totals.cancel()


def _refuse(message: str, code: Exit) -> int:
    print(message, file=sys.stderr)
    return code


def _report(manifest: dict[str, Any], options: argparse.Namespace) -> None:
    count = "{instances:,} instances: {predicted:,} predicted, {failed:,} failed, {not_attempted:,} not attempted"
    print(f"{count.format(**manifest)} in {manifest['seconds']:.1f} s -> {options.output}", file=sys.stderr)
    for line in warnings_of(manifest, options.output):
        print(line, file=sys.stderr)
    if manifest["stopped_at"]:
        print(f"stopped: more than {options.max_errors} failed, at {manifest['stopped_at']}", file=sys.stderr)
    if options.json:
        print(json.dumps(summary_of(manifest, options.output)))


def _settings(options: argparse.Namespace) -> Settings:
    return run_settings(
        options,
        workers=options.workers or processors(),
        roots=tuple(options.input_root),
        progress=options.progress,
        runner=options.runner,
        parent=starter() if options.die_with_parent else None,
        listed=options.listed,
        parity=options.parity,
        predictions_format=TableFormat(options.predictions_format),
    )


def _root(text: str) -> tuple[Path, str]:
    folder, separator, uri = text.partition("=")
    if not separator:
        raise ValueError
    return Path(folder), uri


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model.batch_predict", description="Predict instances in bulk.")
    add_run_options(parser)
    add = parser.add_argument
    add("--workers", type=positive, metavar="N", help="parser processes (default: one per processor)")
    add(
        "--predictions-format",
        choices=[kind.value for kind in TableFormat],
        default="jsonl",
        help="of the result shards",
    )
    add("--input-root", type=_root, action="append", default=[], metavar="DIR=URI", help="what to call files below DIR")
    add(
        "--listed",
        type=Path,
        metavar="DIR",
        help="what lists name, by SHA-256 of the names; they reach no other file",
    )
    add("--progress", type=Path, metavar="FILE", help="keep this JSON file up to date")
    add("--runner", choices=("auto", "c", "python"), default="auto", help="TensorFlow's C API or its Python package")
    add("--die-with-parent", action="store_true", help="end when the starting process ends")
    add("--parity", choices=SERVICES, default="", help="fail whole batches (of 64, or --batch-size), as this service")
    return parser


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written: taking TensorFlow apart would cost a tenth of a second
