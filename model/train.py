"""Training rows -> trained Keras model, with its metrics: the tutorial's network, the same bits on every run."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from model.command import Outcome, parser, run
from model.dataset import DATA, FEATURES, Array, Dataset, load
from model.errors import UserError
from model.files import replacing, sha256
from model.runtime import keras, tensorflow

MODEL = Path("build/model.keras")
METRICS = Path("build/metrics.json")

EPOCHS = 1000  # as the tutorial trains
BATCH_SIZE = 64  # 7 steps an epoch, the last of 20 rows
HIDDEN_UNITS = 8
SEED = 1
CURVE_POINTS = 200  # at most: each point is the mean loss over as many epochs as divide the whole evenly

Report = Callable[[float, float], None]  # fraction done, mean squared error of the last epochs


@dataclass(frozen=True)
class LossPoint:
    """Mean squared error over the epochs since the point before."""

    epoch: int
    loss: float


@dataclass(frozen=True)
class Metrics:
    """What training gave: errors in 1,000 dollars, the loss curve, and what is needed to get the same again."""

    train_rmse: float
    test_rmse: float
    epochs: int
    steps: int
    batch_size: int
    seed: int
    seconds: float
    loss: tuple[LossPoint, ...]
    versions: dict[str, str]
    data_sha256: str
    model_sha256: str


def train(
    output: Path = MODEL,
    metrics: Path = METRICS,
    epochs: int = EPOCHS,
    seed: int = SEED,
    progress: Report | None = None,
) -> Metrics:
    """Train the tutorial's network and write it and its metrics, each of them whole or not at all."""
    _check_wanted(output, epochs)
    started = time.perf_counter()
    data = load()
    model = _network(seed)
    curve = _fit(model, data, epochs, seed, progress)
    with replacing(output) as temporary:
        model.save(temporary)
    made = Metrics(
        train_rmse=_rmse(model, data.train_features, data.train_prices),
        test_rmse=_rmse(model, data.test_features, data.test_prices),
        epochs=epochs,
        steps=epochs * _steps_per_epoch(data),
        batch_size=BATCH_SIZE,
        seed=seed,
        seconds=round(time.perf_counter() - started, 3),
        loss=curve,
        versions=_versions(),
        data_sha256=sha256(DATA),
        model_sha256=sha256(output),
    )
    with replacing(metrics) as temporary:
        temporary.write_bytes(orjson.dumps(asdict(made), option=orjson.OPT_INDENT_2) + b"\n")
    return made


def read_metrics(path: Path = METRICS) -> Metrics:
    """Read what `train` wrote. Raises UserError where there is nothing, or something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Metrics)
    except FileNotFoundError:
        raise UserError(f"No metrics at '{path}'. Run: invoke train") from None
    except msgspec.DecodeError as error:
        raise UserError(f"Metrics at '{path}' cannot be read: {error}. Run: invoke train") from None


def up_to_date(output: Path = MODEL, metrics: Path = METRICS, epochs: int = EPOCHS, seed: int = SEED) -> Metrics | None:
    """Return the metrics of a model that training again would only repeat, or None. Does not load TensorFlow."""
    try:
        known = read_metrics(metrics)
        same_model = sha256(output) == known.model_sha256
    except (UserError, OSError):
        return None
    wanted = (epochs, seed, BATCH_SIZE, _versions(), sha256(DATA))
    made_with = (known.epochs, known.seed, known.batch_size, known.versions, known.data_sha256)
    return known if same_model and made_with == wanted else None


def _check_wanted(output: Path, epochs: int) -> None:
    """Refuse what would fail after the training."""
    if epochs < 1:
        raise UserError(f"Cannot train for {epochs!r} epochs. Give 1 or more; the tutorial trains for {EPOCHS}.")
    if output.suffix != ".keras":
        raise UserError(f"Cannot save a model at '{output}': Keras wants the ending '.keras'.")


def _network(seed: int) -> Any:
    """Build and compile 13 -> 8 relu -> 1, its weights drawn from `seed`."""
    k = keras()
    k.utils.set_random_seed(seed)
    tensorflow().config.experimental.enable_op_determinism()
    layers = [
        k.Input((FEATURES,), name="features"),
        k.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden"),
        k.layers.Dense(1, name="output"),
    ]
    return k.Sequential(layers, name="housing")


def _fit(model: Any, data: Dataset, epochs: int, seed: int, progress: Report | None) -> tuple[LossPoint, ...]:
    """Run every step of every epoch; one call into TensorFlow covers the epochs of one point of the curve."""
    stride = _epochs_per_point(epochs)
    steps = stride * _steps_per_epoch(data)
    model.compile(optimizer="adam", loss="mse", steps_per_execution=steps)
    points = epochs // stride
    history = model.fit(
        _batches(data, seed),
        epochs=points,
        steps_per_epoch=steps,
        shuffle=False,  # the batches are already reshuffled in every epoch
        verbose=0,
        callbacks=[_reporter(points, progress)] if progress else [],
    )
    return tuple(LossPoint((at + 1) * stride, float(loss)) for at, loss in enumerate(history.history["loss"]))


def _epochs_per_point(epochs: int) -> int:
    """Choose the most epochs per point that divide `epochs` and leave `CURVE_POINTS` points or more."""
    most = max(1, epochs // CURVE_POINTS)
    return max(count for count in range(1, most + 1) if epochs % count == 0)


def _steps_per_epoch(data: Dataset) -> int:
    return -(-len(data.train_prices) // BATCH_SIZE)


def _batches(data: Dataset, seed: int) -> Any:
    """Stream epoch after epoch, each in an order of its own; a batch never reaches over the end of an epoch."""
    features, prices = data.train_features.astype(np.float32), data.train_prices.astype(np.float32)[:, np.newaxis]
    rows = tensorflow().data.Dataset.from_tensor_slices((features, prices)).cache()
    return rows.shuffle(len(prices), seed=seed, reshuffle_each_iteration=True).batch(BATCH_SIZE).repeat()


def _reporter(points: int, progress: Report) -> Any:
    """Make the Keras callback that passes on fraction and loss after each point of the curve."""
    return keras().callbacks.LambdaCallback(
        on_epoch_end=lambda at, logs: progress((at + 1) / points, float((logs or {}).get("loss", float("nan"))))
    )


def _rmse(model: Any, features: Array, prices: Array) -> float:
    """Root mean squared error in 1,000 dollars."""
    predicted = np.asarray(model(features.astype(np.float32), training=False), dtype=np.float64)[:, 0]
    return float(np.sqrt(np.mean((predicted - prices) ** 2)))


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("tensorflow", "keras", "numpy")}


@contextlib.contextmanager
def _display() -> Iterator[Report]:
    """Show a bar on stderr while a person looks on; stay silent in a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn("train"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("train", total=1.0, loss="loading TensorFlow")
        yield lambda fraction, loss: bar.update(task, completed=fraction, loss=f"loss {loss:.2f}")


def _program(options: argparse.Namespace) -> Outcome:
    settings = (options.output, options.metrics, options.epochs, options.seed)
    known = up_to_date(*settings) if options.if_changed else None
    if not known:
        with _display() as progress:
            made = train(*settings, progress)
    metrics = known or made
    errors = f"RMSE {metrics.train_rmse:.3f} on training rows, {metrics.test_rmse:.3f} on test rows (1,000 dollars)"
    done = "unchanged" if known else f"{metrics.epochs} epochs in {metrics.seconds:.1f} s"
    data = {**asdict(metrics), "model": str(options.output), "unchanged": bool(known)}
    return Outcome(f"Model at '{options.output}': {done}, {errors}", data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = parser("model.train", "Training rows -> trained Keras model and metrics")
    made.add_argument("--output", type=Path, default=MODEL, metavar="FILE", help=f"the model ({MODEL})")
    made.add_argument("--metrics", type=Path, default=METRICS, metavar="FILE", help=f"the metrics ({METRICS})")
    made.add_argument("--epochs", type=int, default=EPOCHS, help=f"passes over the training rows ({EPOCHS})")
    made.add_argument("--seed", type=int, default=SEED, help=f"what weights and order are drawn from ({SEED})")
    made.add_argument("--if-changed", action="store_true", help="leave a model alone that training would only repeat")
    return run(_program, made.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
