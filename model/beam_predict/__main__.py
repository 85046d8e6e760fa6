"""The command line: `python -m model.beam_predict --saved-model … --input … --output … [Beam's options]`."""

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

# NumPy only copies here: its threads would idle, and cost start-up.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from model.batch_predict.duplicate_keys import refuse_duplicates
from model.batch_predict.manifest import AccountingError
from model.batch_predict.options import add_run_options, positive, run_settings, summary_of, warnings_of
from model.batch_predict.settings import Exit, Threshold, UnusableError
from model.beam_predict.failures import place_in_output
from model.beam_predict.files import read, remove_torn
from model.beam_predict.pipeline import build
from model.beam_predict.preparing import claim, finished, prepare
from model.beam_predict.progress import progress
from model.beam_predict.runners import (
    LOCAL,
    check_reachable,
    make_pipeline,
    pipeline_options,
    run_here,
    stage_source,
    template,
)
from model.beam_predict.threshold import stopped_by, without_step
from model.beam_predict.work import DUPLICATES, WORK
from model.signature import UnusableModelError

OS_ERROR = re.compile(r"^OSError: (\[Errno \d+\] )?")
AFTER = "All other options are Beam's: --temp_location, --num_workers, --worker_machine_type, --flink_master, …"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a pipeline and return the exit code."""
    options, flags = _parser().parse_known_args(arguments)
    logging.getLogger().setLevel(logging.ERROR)  # Beam tells of every pipe it opens
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)  # what a step raises is said below
    try:
        manifest = _run(options, flags)
    except (UnusableError, UnusableModelError) as error:
        return _refuse(str(error), Exit.UNUSABLE)
    except Exception as error:  # noqa: BLE001 - whatever a worker raised, as Beam wraps it
        if stopped := stopped_by(error):
            go_on = "Go on with --resume and another --max-errors"
            return _refuse(f"stopped: {stopped}. {go_on}", Exit.THRESHOLD)
        again = "Nothing is lost: run again with --resume"
        return _refuse(f"{_reason(error)}. {again}", Exit.INTERRUPTED_IO)
    return Exit.OK if manifest is None else _report(manifest, options)


def _run(options: argparse.Namespace, flags: Sequence[str]) -> dict[str, Any] | None:
    """Run the pipeline and return its manifest, or None where it was only described."""
    settings = run_settings(options, workers=options.workers or 0, runner=options.tensorflow)
    chosen = pipeline_options(options.runner, flags)
    check_reachable(options.runner, chosen, [options.saved_model, options.output, *settings.patterns])
    work = prepare(settings, options.saved_model, options.output, options.runner)
    if done := finished(work):
        return done
    run_here(options.runner, chosen, work.settings.workers)
    with tempfile.TemporaryDirectory(prefix="beam-") as folder:
        stage_source(options.runner, chosen, folder)
        pipeline = make_pipeline(options.runner, chosen)
        if described := template(chosen):
            build(pipeline, work)
            pipeline.run()
            print(f"The job's description is at {described}: nothing was started", file=sys.stderr)
            return None
        claim(work)
        build(pipeline, work)
        with progress(work):  # a runner of this machine returns from `run` when all is done
            pipeline.run().wait_until_finish()
    content = read(work.manifest)
    if content is None and (duplicates := read(work.place(WORK, DUPLICATES))):
        refuse_duplicates(msgspec.json.decode(duplicates))
    if content is None:
        msg = f"no manifest at {work.manifest!r}"
        raise AccountingError(msg)
    remove_torn(work.output)
    manifest: dict[str, Any] = msgspec.json.decode(content)
    return manifest


def _report(manifest: dict[str, Any], options: argparse.Namespace) -> int:
    count = "{instances:,} instances: {predicted:,} predicted, {failed:,} failed"
    print(f"{count.format(**manifest)} in {manifest['seconds']:.1f} s -> {options.output}", file=sys.stderr)
    for line in warnings_of(manifest, options.output):
        print(line, file=sys.stderr)
    stopped_at = _too_many(manifest, options.max_errors, options.output)
    if options.json:
        print(json.dumps(summary_of({**manifest, "stopped_at": stopped_at}, options.output)))
    if stopped_at:
        return _refuse(f"more than {options.max_errors} failed, at {stopped_at}: all were attempted", Exit.THRESHOLD)
    return Exit.OK


def _too_many(manifest: dict[str, Any], limit: Threshold | None, output: str) -> str | None:
    """Return the row at which more failed than may, where that was seen at the end only."""
    allowed = limit.allowed(manifest["instances"]) if limit else manifest["failed"]
    return place_in_output(manifest, output, int(allowed)) if manifest["failed"] > allowed else None


def _reason(error: Exception) -> str:
    """Return what a worker raised: the last line of the traceback that Beam sends instead."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    raised = [line for line in lines if line and not line.startswith(("File ", "Traceback", "^"))]
    return OS_ERROR.sub("", without_step((raised or lines or [type(error).__name__])[-1]).rstrip("."))


def _refuse(message: str, code: Exit) -> int:
    print(message, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m model.beam_predict",
        description="Predict instances in bulk, by the batch engine's kernel in an Apache Beam pipeline.",
        epilog=AFTER,
        allow_abbrev=False,
    )
    add_run_options(made)
    add = made.add_argument
    add("--runner", default=LOCAL, metavar="NAME", help="DirectRunner (default), DataflowRunner, FlinkRunner, …")
    add(
        "--workers",
        type=positive,
        metavar="N",
        help="processes of the direct runner (default: one, for large inputs one per processor)",
    )
    add("--tensorflow", choices=("auto", "c", "python"), default="auto", help="its C API or its Python package")
    return made


if __name__ == "__main__":
    sys.exit(main())
