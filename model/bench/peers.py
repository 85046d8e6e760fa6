"""What the peers share: a command line that says where model and rows lie, and where the predictions go."""

import argparse
import glob
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.runtime import keras

BATCH = 8192


@dataclass(frozen=True)
class Peer:
    """What a peer is told."""

    model: Path  # the bare Keras model
    saved_model: Path  # the keyed SavedModel of the same weights
    files: list[str]
    output: Path
    batch: int


def peer(name: str, description: str) -> Peer:
    """Read the command line; its paths become absolute ones, for workers that run in other folders."""
    made = argparse.ArgumentParser(prog=f"python -m model.bench.{name}", description=description)
    made.add_argument("--model", type=Path, required=True, help="the bare Keras model")
    made.add_argument("--saved-model", type=Path, required=True, help="the keyed SavedModel of the same weights")
    made.add_argument("--input", required=True, help="a glob of JSON Lines")
    made.add_argument("--output", type=Path, required=True, help="a folder for predictions, as JSON Lines")
    made.add_argument("--batch", type=int, default=BATCH, help="rows per call of the model")
    options = made.parse_args()
    output: Path = options.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    files = sorted(glob.glob(str(Path(options.input).absolute())))  # noqa: PTH207 - a pattern is one text
    return Peer(options.model.absolute(), options.saved_model.absolute(), files, output, options.batch)


def keras_without_pandas() -> Any:
    """Import Keras as where no pandas is installed: it would import that, a second that the engine's users save."""
    sys.modules["pandas"] = None  # type: ignore[assignment]
    return keras()
