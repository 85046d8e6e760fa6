"""The seam to TensorFlow: signature and folder in, a function from named arrays to named arrays out."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from model.signature import Signature, UnusableModelError

Outputs = dict[str, np.ndarray]
# What TensorFlow prints at every start, before any setting can silence it.
START_NOISE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d|[IWE]0000 ")


class ModelRunError(Exception):
    """The model's graph refused a batch; the message is TensorFlow's own."""


class Runner(Protocol):
    """A loaded model. String tensors are object arrays of bytes."""

    name: str
    fallback: str  # why this is not TensorFlow's C API, where that was tried first

    def run(self, inputs: Mapping[str, np.ndarray]) -> Outputs:
        """Predict one batch; raises ModelRunError. Safe to call from several threads."""
        ...


def load(saved_model: Path, signature: Signature, kind: str = "auto") -> Runner:
    """Load a SavedModel with TensorFlow's C API, or with its Python package where that holds no such library.

    Raises:
        UnusableModelError: TensorFlow cannot load it.
    """
    with _without_start_noise():
        return _load(saved_model, signature, kind)


def _load(saved_model: Path, signature: Signature, kind: str) -> Runner:
    from model.tensorflow_c import SessionRunner  # noqa: PLC0415 - only the process that predicts loads TensorFlow

    reason = ""
    if kind != "python":
        try:
            return SessionRunner(saved_model, signature)
        except (OSError, AttributeError, ImportError) as error:
            if kind == "c":
                msg = f"TensorFlow's C API cannot be used: {_in_one_line(error)}. Run without: --runner c"
                raise UnusableModelError(msg) from None
            reason = _in_one_line(error)
    try:
        from model.tensorflow_python import SignatureRunner  # noqa: PLC0415 - seconds to import, and rarely needed
    except ImportError as error:
        msg = f"TensorFlow cannot be imported: {_in_one_line(error)}. Run: uv sync"
        raise UnusableModelError(msg) from None

    return SignatureRunner(saved_model, signature, reason)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _without_start_noise() -> Iterator[None]:
    """Hold back what is printed to standard error, and let through afterwards what is not known noise."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not START_NOISE.match(line)))
