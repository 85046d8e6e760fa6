"""Apache Beam's own RunInference, keyed, with a handler for Keras as its guides have it.

Beam's TensorFlow handlers do the same, but import tensorflow_hub, which no current setuptools lets load.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, PredictionResult, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from model.bench.peers import BATCH, peer


class KerasHandler(ModelHandler):  # type: ignore[misc]
    """A Keras model for RunInference."""

    def __init__(self, model: str) -> None:
        super().__init__(min_batch_size=1024, max_batch_size=BATCH)
        self.model = model

    def load_model(self) -> Any:
        """Load the model, once a worker."""
        import keras  # noqa: PLC0415 - workers load it

        return keras.models.load_model(self.model)

    def run_inference(
        self, batch: Sequence[np.ndarray], model: Any, inference_args: dict[str, Any] | None = None
    ) -> Iterable[PredictionResult]:
        """Predict a batch of rows."""
        predictions = model(np.stack(batch), **(inference_args or {})).numpy()
        return [PredictionResult(*pair) for pair in zip(batch, predictions, strict=True)]


def read(line: str) -> tuple[int, np.ndarray]:
    """Return a line's key and features."""
    row = json.loads(line)
    return row["key"], np.array(row["features"], dtype=np.float32)


def write(pair: tuple[int, PredictionResult]) -> str:
    """Return a prediction's line."""
    key, result = pair
    return json.dumps({"prediction": result.inference.tolist(), "key": key})


def main() -> None:
    """Run the pipeline on this machine, on as many processes as it has processors."""
    told = peer("beam_run_inference", "RunInference with a Keras handler, by Beam's direct runner.")
    options: dict[str, Any] = {"direct_running_mode": "multi_processing", "direct_num_workers": os.cpu_count()}
    # What DirectRunner comes to, without its attempts to fetch another runner from the internet
    with beam.Pipeline(FnApiRunner(), PipelineOptions(flags=[], save_main_session=True, **options)) as pipeline:
        (
            pipeline
            | beam.Create(told.files)
            | beam.Reshuffle()
            | beam.io.ReadAllFromText()
            | beam.Map(read)
            | RunInference(KeyedModelHandler(KerasHandler(str(told.model))))
            | beam.Map(write)
            | beam.io.WriteToText(str(told.output / "predictions"), file_name_suffix=".jsonl")
        )


if __name__ == "__main__":
    main()
