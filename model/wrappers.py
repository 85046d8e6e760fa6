"""Keras model -> the same model with a key: the tutorial's two ways, as functions that a SavedModel can serve."""

from collections.abc import Callable
from typing import Any

from model.errors import UserError
from model.keys import FLOAT32_EXACT, INEXACT_KEY, KeyType, Wrapper
from model.runtime import keras, tensorflow

SIGNATURE = "serving_default"
FUNCTIONAL_OUTPUT = "prediction_with_key"


def wrap(model: Any, wrapper: Wrapper, key_type: KeyType = "int64") -> Any:
    """Return a `tf.Module` whose `serve` takes `features` and `key` and gives each prediction back with its key."""
    _check_shape(model)
    tf = tensorflow()
    build = _functional if wrapper == "functional" else _decorator
    wrapped = tf.Module(name="keyed_model")
    # A list in the model's order: ExportArchive tracks variables in a set, and its files differ from run to run.
    wrapped.model_variables = [variable.value for variable in model.variables]
    wrapped.serve = tf.function(build(model), input_signature=_inputs(model, wrapper, key_type))
    return wrapped


def key_type_of(wrapper: Wrapper, wanted: KeyType) -> KeyType:
    """Return the type of key that `wrapper` takes where `wanted` is asked for: the functional form knows numbers."""
    return "int64" if wrapper == "functional" else wanted


def _check_shape(model: Any) -> None:
    """Refuse a model that does not map one vector per row to one vector per row."""
    found = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(found) != 2 or any(len(shape) != 2 or shape[0] is not None or shape[1] is None for shape in found):
        shapes = ", ".join(str(shape) for shape in found)
        raise UserError(
            f"Model {model.name!r} has inputs and outputs {shapes}: a key fits (None, n) -> (None, m) only."
        )


def _inputs(model: Any, wrapper: Wrapper, key_type: KeyType) -> list[Any]:
    tf = tensorflow()
    features = model.inputs[0]
    return [
        tf.TensorSpec(tuple(features.shape), features.dtype, "features"),
        # int64 for the functional form too: the graph's own refusal says more than "wrong type" would.
        tf.TensorSpec((None,), key_type_of(wrapper, key_type), "key"),
    ]


def _functional(model: Any) -> Callable[[Any, Any], Any]:
    """Build the wrapper model of the functional API: prediction and key concatenated in one float vector."""
    k = keras()
    key = k.Input(shape=(), name="key", dtype="int64")
    column = k.ops.cast(k.layers.Reshape((1,), name="key_column")(key), "float32")
    joined = k.layers.Concatenate(name=FUNCTIONAL_OUTPUT)([model.outputs[0], column])
    wrapper_model = k.Model(inputs=[*model.inputs, key], outputs=joined, name="wrapper_model")

    def add_key(features: Any, key: Any) -> dict[str, Any]:
        with tensorflow().control_dependencies([_same_length(features, key), _exact(key)]):
            return {FUNCTIONAL_OUTPUT: wrapper_model([features, key], training=False)}

    return add_key


def _decorator(model: Any) -> Callable[[Any, Any], Any]:
    """Build the wrapper function of the `@tf.function` decorator: the key goes through untouched."""

    def add_key(features: Any, key: Any) -> dict[str, Any]:
        with tensorflow().control_dependencies([_same_length(features, key)]):
            return {"prediction": model(features, training=False), "key": tensorflow().identity(key)}

    return add_key


def _same_length(features: Any, key: Any) -> Any:
    """Refuse, in the graph, keys that are not one per row: the answer would have unequal lengths."""
    tf = tensorflow()
    rows, keys = tf.shape(features)[0], tf.shape(key)[0]
    # The raw operation: tf.debugging.Assert would put a branch and two more functions around it.
    return tf.raw_ops.Assert(condition=rows == keys, data=["features and key differ in length:", rows, keys])


def _exact(key: Any) -> Any:
    """Refuse, in the graph, keys that float32 would change, naming the one farthest out."""
    tf = tensorflow()
    largest, smallest = tf.reduce_max(key), tf.reduce_min(key)
    worst = tf.where(largest > FLOAT32_EXACT, largest, smallest)
    exact = tf.reduce_all((key >= -FLOAT32_EXACT) & (key <= FLOAT32_EXACT))
    return tf.raw_ops.Assert(condition=exact, data=[tf.strings.format("Key {} " + INEXACT_KEY, worst)])
