"""Keras with whole files: json of all lines, one call of `model.predict`, which cuts batches itself, json."""

import json
from pathlib import Path

import numpy as np

from model.bench.peers import keras_without_pandas, peer


def main() -> None:
    """Predict file by file."""
    told = peer("keras_predict", "json and model.predict, file by file.")
    model = keras_without_pandas().models.load_model(told.model)
    for file in map(Path, told.files):
        with file.open() as lines:
            rows = [json.loads(line) for line in lines]
        features = np.array([row["features"] for row in rows], dtype=np.float32)
        predicted = model.predict(features, batch_size=told.batch, verbose=0).tolist()
        with (told.output / file.name).open("w") as out:
            for row, prediction in zip(rows, predicted, strict=True):
                out.write(json.dumps({"prediction": prediction, "key": row["key"]}) + "\n")


if __name__ == "__main__":
    main()
