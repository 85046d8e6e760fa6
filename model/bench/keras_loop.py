"""The loop as it is written first: json of a few lines, `model.predict` of these, json, and so on."""

import json
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from model.bench.peers import keras_without_pandas, peer


def main() -> None:
    """Predict file by file, a few rows a call."""
    told = peer("keras_loop", "A loop of json and model.predict, a few rows a call.")
    model = keras_without_pandas().models.load_model(told.model)

    def predict(lines: TextIO, out: TextIO) -> None:
        while rows := [json.loads(line) for line in islice(lines, told.batch)]:
            features = np.array([row["features"] for row in rows], dtype=np.float32)
            for row, prediction in zip(rows, model.predict(features, verbose=0).tolist(), strict=True):
                out.write(json.dumps({"prediction": prediction, "key": row["key"]}) + "\n")

    for file in map(Path, told.files):
        with file.open() as lines, (told.output / file.name).open("w") as out:
            predict(lines, out)


if __name__ == "__main__":
    main()
