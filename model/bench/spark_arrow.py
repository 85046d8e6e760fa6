"""Spark as its guides have it: a schema, `mapInArrow`, one model a task."""

import os
import sys
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["PYSPARK_PYTHON"] = sys.executable

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from model.bench.peers import BATCH, peer


def main() -> None:
    """Run on this machine, with a task a processor."""
    told = peer("spark_arrow", "Spark's mapInArrow.")
    saved_model = str(told.saved_model)

    def predict(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import tensorflow as tf  # noqa: PLC0415 - workers load it

        loaded = tf.saved_model.load(saved_model)
        signature = loaded.signatures["serving_default"]
        for batch in batches:
            values = batch.column("features").flatten().to_numpy().astype(np.float32)
            keys = batch.column("key").to_numpy()
            outputs = signature(features=tf.constant(values.reshape(len(keys), -1)), key=tf.constant(keys))
            prediction = pa.array(list(outputs["prediction"].numpy()), pa.list_(pa.float32()))
            yield pa.RecordBatch.from_arrays(
                [prediction, pa.array(outputs["key"].numpy().ravel())], ["prediction", "key"]
            )

    session = (
        SparkSession.builder.master(f"local[{os.cpu_count()}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))
        .getOrCreate()
    )
    rows = session.read.schema("features array<float>, key long").json(told.files)
    predicted = rows.mapInArrow(predict, "prediction array<float>, key long")
    predicted.write.mode("overwrite").json(str(told.output))
    session.stop()


if __name__ == "__main__":
    main()
