"""Arrays of any number of rows -> batches through the model; a row that makes it fail fails alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from model.runner import ModelRunError, Outputs, Runner
from model.signature import UnusableModelError


@dataclass(frozen=True)
class Batch:
    """The predictions of rows `start` to `stop`."""

    start: int
    stop: int
    outputs: Outputs


@dataclass(frozen=True)
class Failure:
    """A row that the model refuses, and its message's first line."""

    row: int
    message: str


def predict(runner: Runner, inputs: Mapping[str, np.ndarray], batch_size: int) -> Iterator[Batch | Failure]:
    """Yield predictions and failures in the order of the rows.

    Raises:
        UnusableModelError: an output has not one row per instance; which row belongs to which instance is then unknown.
    """
    rows = len(next(iter(inputs.values())))
    for start in range(0, rows, batch_size):
        yield from _attempt(runner, inputs, start, min(start + batch_size, rows))


def _attempt(runner: Runner, inputs: Mapping[str, np.ndarray], start: int, stop: int) -> Iterator[Batch | Failure]:
    try:
        outputs = runner.run({alias: array[start:stop] for alias, array in inputs.items()})
    except (ModelRunError, MemoryError) as error:
        if stop - start == 1:
            if isinstance(error, MemoryError):  # no fault of the row
                raise
            yield Failure(start, str(error).splitlines()[0] if str(error) else "the model failed without a message")
            return
        middle = (start + stop) // 2
        yield from _attempt(runner, inputs, start, middle)
        yield from _attempt(runner, inputs, middle, stop)
        return
    _check_rows(outputs, stop - start)
    yield Batch(start, stop, outputs)


def _check_rows(outputs: Outputs, rows: int) -> None:
    for alias, array in outputs.items():
        if array.shape[:1] != (rows,):
            given = f"{array.shape[0]} rows" if array.ndim else "a scalar"
            msg = f"Output {alias!r} has {given} for {rows} instances. Export the model with one row per instance"
            raise UnusableModelError(msg)
