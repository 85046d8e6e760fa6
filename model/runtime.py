"""TensorFlow and Keras, imported when first needed and without the log lines they write while loading."""

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

QUIET = {"2", "3"}  # TF_CPP_MIN_LOG_LEVEL at which nothing but errors is wanted


@functools.cache
def tensorflow() -> Any:
    """Import TensorFlow: about 2.5 s and 350 MB the first time."""
    # 3, because on machines without a GPU a failed look for CUDA is logged as an error; real errors are raised.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _silent_loading():
        return importlib.import_module("tensorflow")


@functools.cache
def keras() -> Any:
    """Import Keras on TensorFlow."""
    tensorflow()
    return importlib.import_module("keras")


@contextlib.contextmanager
def _silent_loading() -> Iterator[None]:
    """Point file descriptor 2 elsewhere: absl's lines before its initialisation heed no setting."""
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] not in QUIET:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
