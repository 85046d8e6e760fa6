"""The bench's command line: `python -m model.bench predict [--rows N] [--rounds N] [--quick] [--json]`."""

import argparse
import functools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.bench import ways
from model.bench.answers import bare_predictions
from model.bench.native import NoCompilerError
from model.bench.processes import adopt_orphans
from model.bench.report import describe
from model.bench.rounds import Rounds, run_rounds
from model.bench.rows import Rows, write_rows
from model.bench.targets import FULL_ROWS, Reached, reached
from model.bench.ways import Models, Way
from model.command import Outcome, parser, run
from model.errors import UserError

QUICK_ROWS = 100_000
FILES = 10
FAILED = 1  # the exit code where a way failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = parser("model.bench", "The engine and its peers, side by side: whole processes, medians, answers checked.")
    made.add_argument("what", nargs="?", default="predict", choices=["predict", "beam"], help="which ways")
    made.add_argument("--rows", type=_count, metavar="N", help=f"rows to predict (default: {FULL_ROWS:,})")
    made.add_argument("--rounds", type=_count, default=3, metavar="N", help="runs of every way (default: 3)")
    made.add_argument("--only", action="append", default=[], metavar="WAY", help="ways whose names hold this; repeat")
    made.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, one round, no tenfold rows")
    made.add_argument("--model", type=Path, default=Path("build/model.keras"), metavar="FILE", help="the bare model")
    keyed = Path("build/saved_model/decorator")
    made.add_argument("--saved-model", type=Path, default=keyed, metavar="DIR", help="the keyed model")
    return run(_bench, made.parse_args(arguments))


def _bench(options: argparse.Namespace) -> Outcome:
    models = Models(options.model, options.saved_model)
    for path in (models.bare, models.keyed):
        if not path.exists():
            raise UserError(f"No model at '{path}'. Run: invoke train export")
    rows = options.rows or (QUICK_ROWS if options.quick else FULL_ROWS)
    adopt_orphans()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: nothing is left behind
    with _temporary() as folder:
        chosen, skipped = _chosen(options, rows, models, folder)
        if not chosen:
            raise UserError(f"Nothing to run: {'; '.join(f'{name}: {why}' for name, why in skipped.items())}")
        _write({way.rows for way in chosen if way.rows})
        bare = functools.cache(lambda count: bare_predictions(models.bare, count, folder))
        rounds = run_rounds(chosen, 1 if options.quick else options.rounds, bare, folder)
    return outcome(options.what, rows, rounds, skipped)


def _write(wanted: Collection[Rows]) -> None:
    """Write the rows that the ways read."""
    for rows in sorted(wanted, key=lambda rows: rows.count):
        print(f"{rows.count:,} rows, {rows.files} file(s) …", file=sys.stderr, flush=True)
        write_rows(rows.folder, rows.count, rows.files, rows.bad_every)


@contextmanager
def _temporary() -> Iterator[Path]:
    """Yield a folder for rows and predictions, gone afterwards; gigabytes of them."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _chosen(options: argparse.Namespace, rows: int, models: Models, folder: Path) -> tuple[list[Way], dict[str, str]]:
    """Return the ways to go, and those that cannot be gone here, with the reason."""
    skipped: dict[str, str] = {}
    found = list(_ways(options, rows, models, folder, skipped))
    names = [way.name for way in found]
    if options.only:
        found = [way for way in found if any(part.lower() in way.name.lower() for part in options.only)]
        if not found:
            raise UserError(f"No way is named like {', '.join(options.only)}. There are: {'; '.join(names)}")
    for way in found:
        if reason := ways.missing(way):
            skipped[way.name] = reason
    return [way for way in found if way.name not in skipped], skipped


def _ways(
    options: argparse.Namespace, rows: int, models: Models, folder: Path, skipped: dict[str, str]
) -> Iterator[Way]:
    ten = Rows(folder / "ten", rows, FILES)
    yield ways.engine(ways.OURS, ten, models)
    if options.what == "predict":
        yield ways.engine(ways.OURS_ONE_FILE, Rows(folder / "one", rows, 1), models)
        yield ways.engine(ways.OURS_BAD, Rows(folder / "bad", rows, FILES, bad_every=10), models)
        yield ways.engine(ways.OURS_SMALL, Rows(folder / "tenth", max(rows // 10, 1), FILES), models)
        yield ways.import_only()
        try:
            yield ways.native_way(ten, models, folder)
        except NoCompilerError as error:
            skipped[ways.NATIVE] = str(error)
    yield ways.engine(ways.OURS_BEAM, ten, models, module="model.beam_predict")
    few = Rows(folder / "few", max(rows // ways.LOOP_SHARE, 1), FILES)
    yield from (peer for peer in ways.peers(ten, few, models) if options.what == "predict" or "Beam" in peer.name)
    if options.what == "predict" and not options.quick:
        yield ways.engine(ways.OURS_TENFOLD, Rows(folder / "tenfold", 10 * rows, FILES), models, single=True)


def outcome(what: str, rows: int, rounds: Rounds, skipped: dict[str, str]) -> Outcome:
    """Judge what was measured; exit code 1 where a way failed."""
    held = reached({result.way: asdict(result) for result in rounds.results}, rounds.failed)
    data: dict[str, Any] = {
        "bench": what,
        "rows": rows,
        "processors": os.cpu_count(),
        "ways": [asdict(result) for result in rounds.results],
        "targets": [{**asdict(one.target), **_rounded(one), "met": one.met} for one in held],
        "skipped": skipped,
        "failed": rounds.failed,
    }
    return Outcome(describe(rows, rounds, held, skipped), data, FAILED if rounds.failed else 0)


def _rounded(one: Reached) -> dict[str, float | None]:
    ratios = {"ratio": one.ratio, "cpu_ratio": one.cpu_ratio}
    return {name: None if ratio is None else round(ratio, 3) for name, ratio in ratios.items()}


def _count(text: str) -> int:
    digits = text.replace(",", "").replace("_", "")
    if not digits.isdecimal() or not int(digits):
        raise argparse.ArgumentTypeError(f"{text!r}; wanted: a whole number from 1 on")
    return int(digits)


if __name__ == "__main__":
    raise SystemExit(main())
