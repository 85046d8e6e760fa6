"""The bench's command line: `python -m model.bench predict [--rows N] [--rounds N] [--quick] [--json]`."""

import argparse
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.bench import ways
from model.bench.answers import WrongAnswersError, bare_predictions
from model.bench.native import NoCompilerError
from model.bench.processes import FailedError, adopt_orphans
from model.bench.report import describe
from model.bench.rounds import Result, run_rounds
from model.bench.rows import write_rows
from model.bench.targets import FULL_ROWS, Reached, reached
from model.bench.ways import Models, Way
from model.command import Outcome, parser, run
from model.errors import UserError

QUICK_ROWS = 100_000
FILES = 10


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
    try:
        with _temporary() as folder:
            chosen, skipped = _chosen(options, rows, models, folder)
            bare = functools.cache(lambda count: bare_predictions(models.bare, count, folder))
            results = run_rounds(chosen, 1 if options.quick else options.rounds, bare, folder)
    except (FailedError, WrongAnswersError) as error:
        raise UserError(f"The bench ends: {error}") from None
    return _outcome(options.what, rows, results, skipped)


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
    if options.only:
        found = [way for way in found if any(part.lower() in way.name.lower() for part in options.only)]
        if not found:
            raise UserError(f"No way is named like {', '.join(options.only)}. Run without --only to see their names")
    for way in found:
        if reason := ways.missing(way):
            skipped[way.name] = reason
    return [way for way in found if way.name not in skipped], skipped


def _ways(
    options: argparse.Namespace, rows: int, models: Models, folder: Path, skipped: dict[str, str]
) -> Iterator[Way]:
    ten = write_rows(folder / "ten", rows, FILES)
    yield ways.engine(ways.OURS, ten, models)
    if options.what == "predict":
        yield ways.engine(ways.OURS_ONE_FILE, write_rows(folder / "one", rows, 1), models)
        yield ways.engine(ways.OURS_BAD, write_rows(folder / "bad", rows, FILES, bad_every=10), models)
        yield ways.engine(ways.OURS_SMALL, write_rows(folder / "tenth", rows // 10, FILES), models)
        yield ways.import_only()
        try:
            yield ways.native_way(ten, models, folder)
        except NoCompilerError as error:
            skipped[ways.NATIVE] = str(error)
    yield ways.engine(ways.OURS_BEAM, ten, models, module="model.beam_predict")
    yield from (peer for peer in ways.peers(ten, models) if options.what == "predict" or "Beam" in peer.name)
    if options.what == "predict" and not options.quick:
        yield ways.engine(ways.OURS_TENFOLD, write_rows(folder / "tenfold", 10 * rows, FILES), models, single=True)


def _outcome(what: str, rows: int, results: Sequence[Result], skipped: dict[str, str]) -> Outcome:
    held = reached({result.way: asdict(result) for result in results})
    data: dict[str, Any] = {
        "bench": what,
        "rows": rows,
        "processors": os.cpu_count(),
        "ways": [asdict(result) for result in results],
        "targets": [{**asdict(one.target), **_rounded(one), "met": one.met} for one in held],
        "skipped": skipped,
    }
    return Outcome(describe(rows, results, held, skipped), data)


def _rounded(one: Reached) -> dict[str, float | None]:
    return {"ratio": round(one.ratio, 3), "cpu_ratio": None if one.cpu_ratio is None else round(one.cpu_ratio, 3)}


def _count(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    raise SystemExit(main())
