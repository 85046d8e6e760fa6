"""A trained model and its exports, made once per session, and the model's programs as users run them."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model.dataset import load
from model.runtime import keras

ROOT = Path(__file__).parent.parent
EPOCHS = 40  # enough to predict prices of the right order

# One process, so that TensorFlow is loaded once; warnings that Keras raises while saving stay in it.
TRAIN_AND_EXPORT = """
import sys
from pathlib import Path
from model.export import export
from model.train import train

folder = Path(sys.argv[1])
train(folder / "model.keras", folder / "metrics.json", int(sys.argv[2]))
export(folder / "model.keras", folder / "int64")
export(folder / "model.keras", folder / "string", ["decorator"], "string")
"""


@dataclass(frozen=True)
class ExportedModels:
    """A bare model and its SavedModels: both wrappers, and the decorator form with string keys."""

    model: Path
    metrics: Path
    functional: Path
    decorator: Path
    decorator_string: Path


def run_program(module: str, *arguments: str | Path) -> dict[str, Any]:
    """Run `python -m module --json`, which must succeed, and return its JSON object."""
    done = start_program(module, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def start_program(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` to its end, whatever that is."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def trained_model(folder: Path, epochs: int = EPOCHS) -> Path:
    """Train in `folder` and return the model; metrics.json lies beside it."""
    model = folder / "model.keras"
    run_program("model.train", "--output", model, "--metrics", folder / "metrics.json", "--epochs", str(epochs))
    return model


@functools.cache
def exported_models() -> ExportedModels:
    """Return the session's exports, made on first use; nobody writes to them."""
    folder = Path(tempfile.mkdtemp(prefix="models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([sys.executable, "-c", TRAIN_AND_EXPORT, folder, str(EPOCHS)], cwd=ROOT, check=True, timeout=300)
    return ExportedModels(
        folder / "model.keras",
        folder / "metrics.json",
        folder / "int64" / "functional",
        folder / "int64" / "decorator",
        folder / "string" / "decorator",
    )


@functools.cache
def bare_predictions() -> list[float]:
    """Return what the session's bare model predicts for the test rows."""
    model = keras().models.load_model(exported_models().model, compile=False)
    predicted = model(load().test_features.astype(np.float32), training=False)
    return [float(row[0]) for row in np.asarray(predicted)]
