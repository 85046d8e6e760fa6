"""A request of the local cloud's `explain` -> integrated gradients: what each number of an instance adds to an output.

The mean of the output's gradient along the line from a baseline to the instance, times their distance
(arXiv 1703.01365), at the middles of equal steps. It needs TensorFlow's Python package, which can take gradients.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson

from model.instances import InstanceDecoder, instance_decoder
from model.online import INVALID_INPUTS, MODEL_FAILED, PredictError
from model.signature import Signature, UnusableModelError, read_signature

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

FLOATS = ("float16", "bfloat16", "float32", "float64")
MOST_STEPS = 100


class _Path(msgspec.Struct):
    """One line to follow: both ends as instances, and the places of the outputs to explain."""

    baseline: msgspec.Raw
    instance: msgspec.Raw
    places: list[tuple[int, ...]]


class _Request(msgspec.Struct):
    paths: list[_Path]
    features: list[str]
    output: str
    steps: int


@dataclass(frozen=True)
class GradientPredictor:
    """A loaded model whose gradients can be asked for; calls may overlap."""

    model: Any  # kept: the signature does not own its variables
    signature: Signature
    decode: InstanceDecoder

    def answer(self, body: bytes) -> bytes:
        """Return, for each path, the outputs at its ends and the attributions of each feature to each place.

        Raises:
            PredictError: the request is refused, an instance is, or an operation of the model has no gradient.
        """
        try:
            request = msgspec.json.decode(body, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PredictError(INVALID_INPUTS.format(error)) from None
        self._check(request)
        found = [self._integrated(request, path) for path in request.paths]
        return orjson.dumps({"paths": found}, option=orjson.OPT_SERIALIZE_NUMPY)

    def _check(self, request: _Request) -> None:
        dtypes = {spec.alias: spec.dtype for spec in self.signature.inputs}
        for name in request.features:
            if dtypes.get(name) not in FLOATS:
                text = f"{name!r} is {dtypes.get(name, 'no input of the model')}: only float inputs have gradients"
                raise PredictError(INVALID_INPUTS.format(text))
        if request.output not in {spec.alias for spec in self.signature.outputs}:
            raise PredictError(INVALID_INPUTS.format(f"{request.output!r} is no output of the model"))
        if not 1 <= request.steps <= MOST_STEPS:
            raise PredictError(INVALID_INPUTS.format(f"{request.steps} steps; it must be from 1 to {MOST_STEPS}"))

    def _integrated(self, request: _Request, path: _Path) -> dict[str, Any]:
        ends = self._ends(path)
        middles = (np.arange(request.steps) + 0.5) / request.steps
        points = {name: _points(array, middles, name in request.features) for name, array in ends.items()}
        try:
            outputs, gradients = self._gradients(points, request, path.places)
        except (tf.errors.OpError, LookupError, ValueError) as error:  # LookupError: an operation without a gradient
            raise PredictError(MODEL_FAILED.format(getattr(error, "message", None) or error)) from None
        rows: list[Any] = [(slice(None), *place) for place in path.places]
        return {
            "baseline": [float(outputs[row][0]) for row in rows],
            "instance": [float(outputs[row][-1]) for row in rows],
            "attributions": [
                {name: _share(ends[name], gradient) for name, gradient in zip(request.features, found, strict=True)}
                for found in gradients
            ],
        }

    def _ends(self, path: _Path) -> dict[str, np.ndarray]:
        """Return the inputs at both ends, the baseline first."""
        decoded = self.decode([bytes(path.baseline), bytes(path.instance)])
        if decoded.rejections:
            raise PredictError(INVALID_INPUTS.format(decoded.rejections[0].message))
        if len(decoded.groups) != 1:
            raise PredictError(INVALID_INPUTS.format("a baseline has another shape than its instance"))
        group = decoded.groups[0]
        return {name: array[np.argsort(group.index)] for name, array in dict(group.inputs).items()}

    def _gradients(
        self, points: dict[str, np.ndarray], request: _Request, places: Sequence[tuple[int, ...]]
    ) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        tensors = {name: tf.constant(array) for name, array in points.items()}
        watched = [tensors[name] for name in request.features]
        with tf.GradientTape(persistent=True) as tape:
            for tensor in watched:
                tape.watch(tensor)
            output = self.model.signatures[self.signature.name](**tensors)[request.output]
            targets = [tf.reduce_sum(output[(slice(None), *place)]) for place in places]
        found = [tape.gradient(target, watched) for target in targets]
        return output.numpy(), [[_as_array(*pair) for pair in zip(each, watched, strict=True)] for each in found]


def _points(ends: np.ndarray, middles: np.ndarray, moves: bool) -> np.ndarray:
    """Return an input at the baseline, at the middles of the steps, and at the instance; one that is held stays."""
    if not moves:
        return np.repeat(ends[1:], len(middles) + 2, axis=0)
    start, end = ends[0].astype("float64"), ends[1].astype("float64")
    way = np.concatenate([[0.0], middles, [1.0]]).reshape(-1, *[1] * start.ndim)
    points: np.ndarray = start + way * (end - start)
    return points.astype(ends.dtype)


def _as_array(gradient: Any, tensor: Any) -> np.ndarray:
    """Return a gradient at every point; what the output does not depend on has none, which is zero."""
    found: np.ndarray = np.zeros(tensor.shape) if gradient is None else tf.convert_to_tensor(gradient).numpy()
    return found.astype("float64")


def _share(ends: np.ndarray, gradient: np.ndarray) -> Any:
    distance = ends[1].astype("float64") - ends[0].astype("float64")
    return (distance * gradient[1:-1].mean(axis=0)).tolist()


def gradient_predictor(folder: Path, name: str) -> GradientPredictor:
    """Load a SavedModel for its gradients.

    Raises:
        UnusableModelError: TensorFlow cannot load it.
    """
    signature = read_signature(folder, name)
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UnusableModelError(f"The SavedModel at {str(folder)!r} cannot be loaded: {reason}") from None
    return GradientPredictor(model, signature, instance_decoder(signature))
