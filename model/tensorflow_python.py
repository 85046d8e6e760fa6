"""SavedModel -> signature called through TensorFlow's Python package, where the C library cannot be used."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model.runner import ModelRunError, Outputs
from model.signature import Signature, UnusableModelError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


class SignatureRunner:
    """A SavedModel loaded by `tf.saved_model.load`; `run` may be called by several threads at once."""

    name = "python"

    def __init__(self, saved_model: Path, signature: Signature, fallback: str = "") -> None:
        self.fallback = fallback
        try:
            self._model = tf.saved_model.load(str(saved_model))  # kept: the signature does not own its variables
            self._function = self._model.signatures[signature.name]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            msg = f"The SavedModel at {str(saved_model)!r} cannot be loaded: {reason}. Run: invoke export"
            raise UnusableModelError(msg) from None

    def run(self, inputs: Mapping[str, np.ndarray]) -> Outputs:
        """Predict one batch.

        Raises:
            ModelRunError: the graph refused it.
        """
        try:
            outputs = self._function(**{alias: tf.constant(array) for alias, array in inputs.items()})
        except (tf.errors.OpError, ValueError) as error:
            raise ModelRunError(getattr(error, "message", None) or str(error)) from None
        return {alias: tensor.numpy() for alias, tensor in outputs.items()}
