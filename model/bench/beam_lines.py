"""Apache Beam as its guides have it: a line is an element, elements are batched, a DoFn holds the SavedModel."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from model.bench.peers import BATCH, peer


class Predict(beam.DoFn):  # type: ignore[misc]
    """Predicts a batch of lines."""

    def __init__(self, saved_model: str) -> None:
        super().__init__()
        self.saved_model = saved_model

    def setup(self) -> None:
        """Load the model, once a worker."""
        import tensorflow as tf  # noqa: PLC0415 - workers load it

        self.loaded = tf.saved_model.load(self.saved_model)
        self.signature = self.loaded.signatures["serving_default"]
        self.constant = tf.constant

    def process(self, lines: Sequence[str]) -> Iterator[str]:
        """Yield a line for each."""
        rows = [json.loads(line) for line in lines]
        outputs = self.signature(
            features=self.constant(np.array([row["features"] for row in rows], dtype=np.float32)),
            key=self.constant(np.array([row["key"] for row in rows], dtype=np.int64)),
        )
        predicted, keys = outputs["prediction"].numpy().tolist(), outputs["key"].numpy().ravel().tolist()
        for prediction, key in zip(predicted, keys, strict=True):
            yield json.dumps({"prediction": prediction, "key": key})


def main() -> None:
    """Run the pipeline on this machine, on as many processes as it has processors."""
    told = peer("beam_lines", "A DoFn over batches of lines, by Beam's direct runner.")
    options: dict[str, Any] = {"direct_running_mode": "multi_processing", "direct_num_workers": os.cpu_count()}
    # What DirectRunner comes to, without its attempts to fetch another runner from the internet
    with beam.Pipeline(FnApiRunner(), PipelineOptions(flags=[], save_main_session=True, **options)) as pipeline:
        (
            pipeline
            | beam.Create(told.files)
            | beam.Reshuffle()
            | beam.io.ReadAllFromText()
            | beam.BatchElements(min_batch_size=1024, max_batch_size=BATCH)
            | beam.ParDo(Predict(str(told.saved_model)))
            | beam.io.WriteToText(str(told.output / "predictions"), file_name_suffix=".jsonl")
        )


if __name__ == "__main__":
    main()
