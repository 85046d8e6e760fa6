"""Training: the tutorial's network, the same bits again, metrics that hold."""

import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import orjson
import pytest

from model import train as training
from model.dataset import load
from model.errors import UserError
from model.runtime import keras
from model.train import read_metrics, up_to_date
from tests.models import EPOCHS, ROOT, bare_predictions, exported_models, run_program, start_program


def weights(model: Path) -> list[bytes]:
    """Return the bytes of a saved model's weights."""
    return [variable.numpy().tobytes() for variable in keras().models.load_model(model, compile=False).weights]


def in_folder(folder: Path, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder of its own, as in a clone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == expected, done.stderr
    return done


def test_network_is_the_tutorials() -> None:
    """13 features, 8 hidden units with relu, 1 output, under the tutorial's names."""
    model = keras().models.load_model(exported_models().model, compile=False)
    assert [(layer.name, layer.units, layer.activation.__name__) for layer in model.layers] == [
        ("hidden", 8, "relu"),
        ("output", 1, "linear"),
    ]
    assert (model.inputs[0].name, model.inputs[0].shape, model.outputs[0].shape) == ("features", (None, 13), (None, 1))


@pytest.mark.long
def test_training_again_gives_the_same_bits(tmp_path: Path) -> None:
    """Another process with the same seed ends at the same weights, and reports every step of the way there."""
    code = (
        "import json; from pathlib import Path; from model.train import train; seen = [];"
        f"train(Path('m.keras'), Path('m.json'), {EPOCHS}, progress=lambda *point: seen.append(point));"
        "print(json.dumps(seen))"
    )
    done = in_folder(tmp_path, "-c", code)
    assert weights(tmp_path / "m.keras") == weights(exported_models().model)
    seen = orjson.loads(done.stdout.splitlines()[-1])
    curve = read_metrics(exported_models().metrics).loss
    assert seen == [[(at + 1) / EPOCHS, point.loss] for at, point in enumerate(curve)]


def test_metrics_describe_the_model_beside_them() -> None:
    """RMSE is the saved model's own, the curve covers every epoch, steps are 7 an epoch."""
    metrics = read_metrics(exported_models().metrics)
    error = np.array(bare_predictions()) - load().test_prices
    assert metrics.test_rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert (metrics.epochs, metrics.steps, metrics.batch_size) == (EPOCHS, EPOCHS * 7, 64)
    assert [point.epoch for point in metrics.loss] == list(range(1, EPOCHS + 1))
    assert metrics.loss[-1].loss < metrics.loss[0].loss / 10
    assert set(metrics.versions) == {"tensorflow", "keras", "numpy"}


@pytest.mark.long
def test_the_tutorials_thousand_epochs_are_run_and_learn(tmp_path: Path) -> None:
    """7,000 steps, 200 points, the same bits twice, and prices predicted to about 6,000 dollars."""
    made = [run_program("model.train", "--output", tmp_path / f"{n}.keras", "--metrics", tmp_path / n) for n in "ab"]
    assert [(one["epochs"], one["steps"], len(one["loss"])) for one in made] == [(1000, 7000, 200)] * 2
    assert made[0]["loss"] == made[1]["loss"]
    assert weights(tmp_path / "a.keras") == weights(tmp_path / "b.keras")
    assert 4 < made[0]["test_rmse"] < 8


@pytest.mark.parametrize(
    ("epochs", "stride"), [(1, 1), (7, 1), (200, 1), (400, 2), (997, 1), (1000, 5), (1400, 7), (10_000, 50)]
)
def test_curve_divides_every_number_of_epochs_evenly(epochs: int, stride: int) -> None:
    """No epoch is left out of the curve, and 1,000 epochs make 200 points."""
    assert training._epochs_per_point(epochs) == stride
    assert epochs % stride == 0


def test_every_epoch_sees_every_row_once_in_batches_of_64() -> None:
    """The stream is seven batches an epoch, of 64 and a last one of 20, in a new order each time."""
    data = load()
    batches = [prices.numpy()[:, 0].tolist() for _, prices in training._batches(data, 1).take(14)]
    assert [len(batch) for batch in batches] == [64, 64, 64, 64, 64, 64, 20] * 2
    first, second = list(chain(*batches[:7])), list(chain(*batches[7:]))
    assert sorted(first) == sorted(second) == sorted(data.train_prices.astype(np.float32).tolist())
    assert first != second


def test_model_that_training_would_repeat_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--if-changed` keeps what is there; another seed, other epochs or a touched model are trained again."""
    model, metrics = tmp_path / "model.keras", tmp_path / "metrics.json"
    shutil.copy(exported_models().model, model)
    shutil.copy(exported_models().metrics, metrics)
    settings = ["--output", str(model), "--metrics", str(metrics), "--epochs", str(EPOCHS), "--if-changed", "--json"]
    assert training.main(settings) == 0
    assert orjson.loads(capsys.readouterr().out)["unchanged"] is True
    assert up_to_date(model, metrics, EPOCHS, seed=2) is None
    assert up_to_date(model, metrics, EPOCHS + 1) is None
    model.write_bytes(model.read_bytes() + b" ")
    assert up_to_date(model, metrics, EPOCHS) is None


@pytest.mark.long
def test_json_form_is_one_line_and_nothing_else(tmp_path: Path) -> None:
    """With --json stdout is one object; TensorFlow's log lines are nowhere."""
    done = start_program(
        "model.train", "--epochs", "1", "--json", "--output", tmp_path / "m.keras", "--metrics", tmp_path / "m.json"
    )
    assert orjson.loads(done.stdout)["epochs"] == 1
    assert done.stdout.count("\n") == 1
    assert done.stderr.startswith("Model at ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--epochs", "0"), ("--output", "model.h5")])
def test_mistakes_are_one_line_and_leave_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No epochs, or a name that Keras does not save: exit 2 and no file, before any training."""
    done = in_folder(tmp_path, "-m", "model.train", *arguments, expected=2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_unreadable_metrics_name_the_command(tmp_path: Path) -> None:
    """Missing and torn metrics say what to run."""
    with pytest.raises(UserError, match=r"No metrics at.*Run: invoke train"):
        read_metrics(tmp_path / "metrics.json")
    (tmp_path / "metrics.json").write_bytes(msgspec.json.encode({"train_rmse": "low"}))
    with pytest.raises(UserError, match=r"cannot be read.*Run: invoke train"):
        read_metrics(tmp_path / "metrics.json")
