"""What a SavedModel takes and gives is read without TensorFlow, and an unusable one is refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.signature import TensorSpec, UnusableModelError, read_signature, read_signatures


def test_signature_has_names_dtypes_and_shapes(saved_models: Path) -> None:
    """Inputs and outputs are those of the exported function, echoed ones last."""
    signature = read_signature(saved_models / "keyed")
    features, key = signature.inputs
    assert (features.alias, features.dtype, features.shape) == ("features", "float32", (None, 13))
    assert (key.alias, key.dtype, key.shape) == ("key", "int64", (None,))
    assert [spec.alias for spec in signature.outputs] == ["prediction", "key"]
    assert isinstance(features, TensorSpec)


def test_signature_reads_as_a_sentence(saved_models: Path) -> None:
    """A signature prints as a function with names, dtypes and shapes."""
    text = (
        "serving_default(features: float32[any, 13], key: int64[any]) -> (prediction: float32[any, 1], key: int64[any])"
    )
    assert str(read_signature(saved_models / "keyed")) == text


def test_every_signature_is_found(saved_models: Path) -> None:
    """A model with two signatures has both, and none of TensorFlow's own."""
    assert sorted(read_signatures(saved_models / "two")) == ["doubled", "serving_default"]


@pytest.mark.parametrize(
    ("model", "signature", "message"),
    [
        ("nowhere", "serving_default", "No SavedModel at '{}'. Run: invoke export"),
        ("two", "tripled", "It has: doubled, serving_default. Choose one with --signature"),
        ("fixed", "serving_default", "Input 'features' has no free batch dimension: its first dimension is fixed to 8"),
        ("broken", "serving_default", "cannot be read: saved_model.pb is damaged or cut off. Run: invoke export"),
    ],
)
def test_unusable_model_is_refused(saved_models: Path, model: str, signature: str, message: str) -> None:
    """The message names the model, what is wrong with it and the way out."""
    with pytest.raises(UnusableModelError) as refusal:
        read_signature(saved_models / model, signature)
    assert message.format(saved_models / model) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@given(st.data())
def test_damaged_file_is_refused_or_read(saved_models: Path, data: st.DataObject) -> None:
    """Whatever bytes stand in saved_model.pb, the answer is signatures or one line."""
    whole = (saved_models / "keyed" / "saved_model.pb").read_bytes()
    cut, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    damaged = saved_models / "damaged"
    damaged.mkdir(exist_ok=True)
    (damaged / "saved_model.pb").write_bytes(
        whole[:cut] + bytes([byte]) + data.draw(st.sampled_from([b"", whole[cut + 1 :]]))
    )
    try:
        read_signatures(damaged)
    except UnusableModelError as error:
        assert "\n" not in str(error)


def test_nothing_before_prediction_imports_tensorflow() -> None:
    """Engine, workers and decoders come without TensorFlow's package."""
    code = "import sys, model.batch_predict.run, model.online; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
