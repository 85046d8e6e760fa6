"""Holds the predictions that a way left against the bare model's: a bench that does not look measures nothing."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from model.bench.processes import reason
from model.bench.rows import Rows
from model.errors import UserError

TOLERANCE = 1e-4  # of a prediction's size; float32 sums in another order differ by less than a tenth of it


class WrongAnswersError(Exception):
    """A way's predictions are not the bare model's, or not one for every key."""


def bare_predictions(model: Path, count: int, folder: Path) -> np.ndarray:
    """Return what the bare model says to the first `count` rows, by key.

    Raises:
        UserError: it cannot be asked.
    """
    print(f"the bare model predicts {count:,} rows, to check the ways by …", file=sys.stderr, flush=True)
    place = folder / f"reference-{count}.npy"
    command = [sys.executable, "-m", "model.bench.reference", "--model", str(model), "--rows", str(count)]
    done = subprocess.run([*command, "--output", str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"'{model}' cannot predict the bench's rows: {reason(done.stderr)}. Run: invoke train export")
    found: np.ndarray = np.load(place)
    return found


def check(name: str, files: Sequence[Path], rows: Rows, bare: np.ndarray) -> float:
    """Return the largest relative difference from the bare model.

    Raises:
        WrongAnswersError: a key is missing, unknown or there twice, or a prediction differs by more than rounding.
    """
    schema: dict[str, Any] = {"key": pl.Int64, "prediction": pl.List(pl.Float64)}
    filled = [path for path in files if path.stat().st_size]
    if not filled:
        msg = f"{name}: no predictions"
        raise WrongAnswersError(msg)
    found = pl.concat([pl.read_ndjson(path, schema=schema) for path in filled]).sort("key")
    keys, wanted = found["key"].to_numpy(), rows.keys
    if not np.array_equal(keys, wanted):
        msg = f"{name}: {len(keys):,} predictions, {len(np.unique(keys)):,} keys; wanted: {len(wanted):,}, each once"
        raise WrongAnswersError(msg)
    predicted, right = found["prediction"].list.get(0).to_numpy(), bare[keys].astype(np.float64)
    difference = float((np.abs(predicted - right) / np.maximum(np.abs(right), 1.0)).max())
    if not difference <= TOLERANCE:
        msg = f"{name}: a prediction differs by {difference:.2e} from the bare model's"
        raise WrongAnswersError(msg)
    return difference
