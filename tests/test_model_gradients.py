"""Integrated gradients of a SavedModel whose gradients are known, taken in a process that has TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

# x0 * x1 + x2^2, and an output of the key alone; the gradient is linear on the way, so that middles of steps are exact.
SCRIPT = """
import json
import sys
from pathlib import Path

import tensorflow as tf

from model.gradients import gradient_predictor
from model.online import PredictError

class Product(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"),
                                  tf.TensorSpec([None], tf.int64, name="key")])
    def predict(self, x, key):
        y = x[:, 0] * x[:, 1] + x[:, 2] ** 2
        return {"y": tf.stack([y, 2 * y], axis=1), "sign": tf.cast(tf.sign(key), tf.float32)}

folder = Path(sys.argv[1])
module = Product()
tf.saved_model.save(module, str(folder), signatures={"serving_default": module.predict})
model = gradient_predictor(folder, "serving_default")
for body in map(str.encode, json.loads(sys.argv[2])):
    try:
        print(json.dumps(json.loads(model.answer(body))))
    except PredictError as error:
        print(json.dumps({"error": str(error)}))
"""
PATH = {"baseline": {"x": [1, 0, 1], "key": 5}, "instance": {"x": [3, 4, 2], "key": 5}, "places": [[0], [1]]}
REQUEST = {"paths": [PATH], "features": ["x"], "output": "y", "steps": 4}


def test_gradients_are_integrated_exactly(tmp_path: Path) -> None:
    """The shares of a product and a square are those of the integral; what cannot be explained is refused."""
    requests = [
        REQUEST,
        {**REQUEST, "output": "sign", "paths": [{**PATH, "places": [[]]}]},
        {**REQUEST, "features": ["key"]},
        {**REQUEST, "output": "z"},
        {**REQUEST, "steps": 0},
        {**REQUEST, "paths": [{**PATH, "instance": {"x": [1, 2], "key": 5}}]},
    ]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "m"), json.dumps([json.dumps(one) for one in requests])]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    first, unmoved, *refusals = map(json.loads, told.splitlines())
    (path,) = first["paths"]
    assert (path["baseline"], path["instance"]) == ([1.0, 2.0], [16.0, 32.0])
    # x goes from (1, 0) to (3, 4): the integral of x1 by dx0 is 4, that of x0 by dx1 is 8; the square adds 3
    assert path["attributions"][0]["x"] == pytest.approx([4.0, 8.0, 3.0])
    assert path["attributions"][1]["x"] == pytest.approx([8.0, 16.0, 6.0])
    assert unmoved["paths"] == [{"baseline": [1.0], "instance": [1.0], "attributions": [{"x": [0.0, 0.0, 0.0]}]}]
    texts = ["only float inputs", "no output of the model", "from 1 to 100", "expected 3"]
    assert [text in one["error"] for text, one in zip(texts, refusals, strict=True)] == [True] * 4, refusals
