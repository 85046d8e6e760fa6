"""Exports: both wrappers, their signatures, their keys, the same bytes again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.dataset import load
from model.errors import UserError
from model.export import Exported, checked_digest, digest, export, main, up_to_date
from model.keys import FLOAT32_EXACT, Key
from model.runtime import keras, tensorflow
from model.saved_models import signature_text
from tests.models import bare_predictions, exported_models, start_program


def serve(folder: Path, features: Any, keys: Sequence[Key]) -> dict[str, Any]:
    """Call a SavedModel's serving_default, loaded afresh."""
    tf = tensorflow()
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    dtype = tf.string if isinstance(keys[0], str) else tf.int64
    answer = signature(features=tf.constant(features, tf.float32), key=tf.constant(keys, dtype))
    return {alias: tensor.numpy() for alias, tensor in answer.items()}


def test_functional_form_returns_prediction_and_key_in_one_vector() -> None:
    """`prediction_with_key` is the bare model's prediction, then the key as a float."""
    keys = [FLOAT32_EXACT, -FLOAT32_EXACT, *range(100)]
    answer = serve(exported_models().functional, load().test_features, keys)
    assert list(answer) == ["prediction_with_key"]
    np.testing.assert_allclose(answer["prediction_with_key"][:, 0], bare_predictions(), rtol=0, atol=1e-4)
    assert answer["prediction_with_key"][:, 1].tolist() == keys


@pytest.mark.parametrize(
    ("folder", "keys"),
    [
        ("decorator", [2**63 - 1, -(2**63), 2**53 + 1, *range(99)]),
        ("decorator_string", ["", "1", "ключ", "a" * 5000, *(f"row-{n}" for n in range(98))]),
    ],
)
def test_decorator_form_returns_predictions_and_untouched_keys(folder: str, keys: list[Key]) -> None:
    """`prediction` is the bare model's, `key` is what was sent, as int64 or as text."""
    answer = serve(getattr(exported_models(), folder), load().test_features, keys)
    assert sorted(answer) == ["key", "prediction"]
    np.testing.assert_allclose(answer["prediction"][:, 0], bare_predictions(), rtol=0, atol=1e-4)
    returned = [key.decode() if isinstance(key, bytes) else key for key in answer["key"].tolist()]
    assert returned == keys


@pytest.mark.parametrize("key", [FLOAT32_EXACT + 1, -FLOAT32_EXACT - 1, 2**63 - 1, -(2**63)])
def test_served_functional_form_refuses_keys_it_would_change(key: int) -> None:
    """The graph itself says which key, why, and what to use instead, wherever it is served."""
    expected = rf"Key {key} does not fit the functional wrapper.*float32.*Use the decorator wrapper"
    with pytest.raises(tensorflow().errors.InvalidArgumentError, match=expected):
        serve(exported_models().functional, load().test_features[:3], [1, key, 2])


@pytest.mark.parametrize("folder", ["functional", "decorator", "decorator_string"])
def test_fewer_keys_than_rows_are_refused(folder: str) -> None:
    """No form answers with more predictions than keys."""
    keys: list[Key] = ["a", "b"] if folder == "decorator_string" else [1, 2]
    with pytest.raises(tensorflow().errors.InvalidArgumentError, match="differ in length"):
        serve(getattr(exported_models(), folder), load().test_features[:3], keys)


@pytest.mark.parametrize("folder", ["functional", "decorator"])
def test_no_rows_give_no_predictions(folder: str) -> None:
    """An empty batch is no error."""
    tf = tensorflow()
    signature = tf.saved_model.load(str(getattr(exported_models(), folder))).signatures["serving_default"]
    answer = signature(features=tf.zeros((0, 13)), key=tf.zeros((0,), tf.int64))
    assert {len(tensor) for tensor in answer.values()} == {0}


def test_signatures_are_the_tutorials() -> None:
    """Names, types and shapes, as saved_model_cli shows them."""
    assert signature_text(exported_models().functional, "serving_default").splitlines() == [
        "The given SavedModel SignatureDef contains the following input(s):",
        "  inputs['features'] tensor_info:",
        "      dtype: DT_FLOAT",
        "      shape: (-1, 13)",
        "      name: serving_default_features:0",
        "  inputs['key'] tensor_info:",
        "      dtype: DT_INT64",
        "      shape: (-1)",
        "      name: serving_default_key:0",
        "The given SavedModel SignatureDef contains the following output(s):",
        "  outputs['prediction_with_key'] tensor_info:",
        "      dtype: DT_FLOAT",
        "      shape: (-1, 2)",
        "      name: StatefulPartitionedCall:0",
        "Method name is: tensorflow/serving/predict",
    ]
    text = signature_text(exported_models().decorator_string, "serving_default")
    assert "  outputs['key'] tensor_info:\n      dtype: DT_STRING\n      shape: (-1)\n" in text
    assert "  outputs['prediction'] tensor_info:\n      dtype: DT_FLOAT\n      shape: (-1, 1)\n" in text


def test_exporting_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """Another process, another order, one wrapper alone: the digest is the model's, not the run's."""
    models = exported_models()
    again = export(models.model, tmp_path / "a", ["decorator", "functional"])
    assert [made.digest for made in again] == [digest(models.decorator), digest(models.functional)]
    alone = export(models.model, tmp_path / "b", ["decorator"], "string")
    assert [made.digest for made in alone] == [digest(models.decorator_string)]


def test_digest_sees_every_byte_and_every_name(tmp_path: Path) -> None:
    """A changed weight, a new file and a renamed one give other digests."""
    [made] = export(exported_models().model, tmp_path, ["decorator"])
    folder = Path(made.path)
    seen = {digest(folder)}
    weights = folder / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    seen.add(digest(folder))
    (folder / "assets" / "words.txt").write_text("")
    seen.add(digest(folder))
    (folder / "assets" / "words.txt").rename(folder / "assets" / "terms.txt")
    seen.add(digest(folder))
    assert len(seen) == 4


def test_export_that_would_be_repeated_is_left_alone(tmp_path: Path) -> None:
    """The record is believed only where model, settings and every byte of the export are as it says."""
    model = exported_models().model
    made = export(model, tmp_path)
    assert up_to_date(model, tmp_path) == made
    assert up_to_date(model, tmp_path, key_type="string") is None
    (Path(made[0].path) / "variables" / "variables.index").write_bytes(b"")
    assert up_to_date(model, tmp_path) is None
    assert up_to_date(model, tmp_path, ["decorator"]) == [made[1]]
    assert up_to_date(tmp_path / "none.keras", tmp_path) is None


def test_only_what_was_checked_is_uploaded(tmp_path: Path) -> None:
    """A SavedModel that was cut off or changed since its check is refused; one that has no record must be readable."""
    (made,) = export(exported_models().model, tmp_path, ["decorator"])
    folder = tmp_path / "decorator"
    assert checked_digest(folder) == made.digest
    weights = folder / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"no longer the one that was checked. Run: invoke export"):
        checked_digest(folder)
    (tmp_path / "export.json").unlink()
    assert checked_digest(folder) != made.digest
    (folder / "saved_model.pb").write_bytes(b"cut")
    with pytest.raises(UserError, match="Run: invoke export"):
        checked_digest(folder)


def test_failed_check_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that does not predict as the model does never takes the old one's place."""
    model = exported_models().model
    [made] = export(model, tmp_path, ["decorator"])
    monkeypatch.setattr("model.export.TOLERANCE", -1.0)
    with pytest.raises(UserError, match=r"off the model's predictions. Nothing was replaced"):
        export(model, tmp_path, ["decorator"])
    assert digest(Path(made.path)) == made.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decorator", "export.json"]


def test_missing_and_unreadable_models_name_the_command(tmp_path: Path) -> None:
    """No model, or a file that is none: one line, and what to run."""
    with pytest.raises(UserError, match=r"No trained model at '.*none.keras'. Run: invoke train"):
        export(tmp_path / "none.keras", tmp_path / "out")
    torn = tmp_path / "torn.keras"
    torn.write_bytes(exported_models().model.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"The model at '.*torn.keras' cannot be read.*Run: invoke train"):
        export(torn, tmp_path / "out")
    with pytest.raises(UserError, match=r"No SavedModel at '.*out'. Run: invoke export"):
        digest(tmp_path / "out")


def test_wanted_wrappers_and_key_types_are_checked_first(tmp_path: Path) -> None:
    """What no wrapper can do is refused before anything is loaded."""
    with pytest.raises(UserError, match=r"No wrapper 'layer'. There are: functional, decorator"):
        export(tmp_path / "none.keras", tmp_path, ["layer"])  # type: ignore[list-item]
    with pytest.raises(UserError, match="String keys need the decorator wrapper"):
        export(tmp_path / "none.keras", tmp_path, ["functional"], "string")
    with pytest.raises(UserError, match="No key type 'int32'"):
        export(tmp_path / "none.keras", tmp_path, key_type="int32")  # type: ignore[arg-type]


def test_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    """Two inputs leave no place for `features`: the error shows the shapes."""
    k = keras()
    a, b = k.Input((2,), name="a"), k.Input((3,), name="b")
    signature = tmp_path / "two.keras"
    start = k.Model([a, b], k.layers.Concatenate()([a, b]), name="two")
    start.save(signature)
    with pytest.raises(UserError, match=r"'two' has inputs and outputs \(None, 2\), \(None, 3\), \(None, 5\)"):
        export(signature, tmp_path / "out")
    assert not (tmp_path / "out" / "functional").exists()


def test_program_prints_both_signatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m model.export` shows what each SavedModel takes and gives, and its digest."""
    assert main(["--model", str(exported_models().model), "--output", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    takes = "serving_default(features: float32[any, 13], key: int64[any])"
    assert f"{takes} -> (prediction_with_key: float32[any, 2])" in text
    assert f"{takes} -> (prediction: float32[any, 1], key: int64[any])" in text
    for wrapper in ("functional", "decorator"):
        assert f"{tmp_path / wrapper} written: digest {digest(tmp_path / wrapper)[:12]}; 102 rows" in text


def test_mistake_is_one_line_of_stderr(tmp_path: Path) -> None:
    """The program says which model is not there and what makes one; nothing of TensorFlow is heard."""
    done = start_program("model.export", "--model", tmp_path / "none.keras", "--output", tmp_path / "out")
    message = f"No trained model at '{tmp_path / 'none.keras'}'. Run: invoke train\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_exported_tells_how_far_it_is_from_the_model(tmp_path: Path) -> None:
    """Every export carries the rows it was checked on and the largest difference."""
    made: list[Exported] = export(exported_models().model, tmp_path, ["functional"])
    assert (made[0].wrapper, made[0].key_type, made[0].rows_checked) == ("functional", "int64", 102)
    assert 0 <= made[0].largest_difference <= 1e-4
