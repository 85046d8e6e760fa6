"""AI Platform's online answers: the error texts of its open library, and the choice of a signature."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from model.classic_online import ClassicPredictor, classic_predictor
from model.online import PredictError

ROW = [0.5] * 13


@cache
def serving(folder: Path) -> ClassicPredictor:
    """Load a model once for all tests."""
    return classic_predictor(folder)


def refusal(folder: Path, instances: Any, **fields: Any) -> str:
    """Return the text of a refused request."""
    with pytest.raises(PredictError) as caught:
        serving(folder).answer(json.dumps({"instances": instances, **fields}).encode())
    return str(caught.value)


INVALID, FAILED = "Prediction failed: Invalid inputs: ", "Prediction failed: Failed to run the provided model: "
RUNNING = f"{FAILED}Exception during running the graph: "
CASES = [
    ("keyed", [{"features": ROW, "key": 1, "x": 2}], f"{INVALID}Unexpected tensor name: x (Error code: 1)"),
    (
        "keyed",
        [{"features": ROW, "key": 1}, {"features": ROW}],
        f"{INVALID}Input key was missing in at least one input instance. (Error code: 1)",
    ),
    ("single", [{"y": [1, 2, 3]}], f"{INVALID}Expected tensor name: x, got tensor name: ['y']. (Error code: 1)"),
    (
        "keyed",
        [{"features": [1.0, 2.0, [3.0]], "key": 1}],
        f"{RUNNING}setting an array element with a sequence. (Error code: 2)",
    ),
    ("keyed", [{"features": ["a"] * 13, "key": 1}], f"{RUNNING}could not convert string to float: 'a' (Error code: 2)"),
    (
        "keyed",
        [{"features": [1.0, 2.0], "key": 1}],
        f"{RUNNING}Cannot feed value of shape (1, 2) for Tensor 'serving_default_features:0', "
        "which has shape '(?, 13)' (Error code: 2)",
    ),
    (
        "keyed",
        [{"features": ROW}],
        f"{RUNNING}You must feed a value for placeholder tensor 'serving_default_key' with dtype int64 and shape [?]"
        " (Error code: 2)",
    ),
]


@pytest.mark.parametrize(("model", "instances", "text"), CASES)
def test_refusals_are_the_services(saved_models: Path, model: str, instances: Any, text: str) -> None:
    """A refused request is told in the words of the service's own library, with its code."""
    assert refusal(saved_models / model, instances) == text


def test_an_unknown_signature(saved_models: Path) -> None:
    """A signature that the model has not is named."""
    text = refusal(saved_models / "keyed", [{"features": ROW, "key": 1}], signature_name="other")
    assert text == f"{INVALID}No signature found for signature key other. (Error code: 1)"


def test_outputs_of_different_sizes(saved_models: Path) -> None:
    """Outputs whose numbers of rows differ are told with their sizes."""
    text = refusal(saved_models / "uneven", [ROW, ROW])
    assert text == (
        "Prediction failed: There was a problem processing the outputs: Bad output from running tensorflow session: "
        "outputs had differing sizes in the batch (outer) dimension. See the outputs and their size: "
        "{'mean': 1, 'prediction': 2}. Check your model for bugs that effect the size of the outputs. (Error code: 3)"
    )


def test_any_signature_by_its_name(saved_models: Path) -> None:
    """A request names any of the model's signatures; where it has but one, that needs no name."""

    def ask(model: str, **fields: Any) -> Any:
        body = json.dumps({"instances": [{"features": ROW, "key": 4}], **fields}).encode()
        return json.loads(serving(saved_models / model).answer(body))["predictions"][0]

    single = ask("two")["prediction"][0]
    assert ask("two", signature_name="doubled") == {"doubled": [pytest.approx(2 * single)], "key": 4}
    assert ask("named") == ask("two") == ask("two", signature_name="serving_default")
