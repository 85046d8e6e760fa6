"""What the bare Keras model says to every row: the answers that all ways of the bench are held against."""

import argparse
from pathlib import Path

import numpy as np

from model.bench.peers import keras_without_pandas
from model.bench.rows import features


def main() -> None:
    """Write one float32 per key."""
    made = argparse.ArgumentParser(prog="python -m model.bench.reference", description="The bare model's predictions.")
    made.add_argument("--model", type=Path, required=True, help="the bare Keras model")
    made.add_argument("--rows", type=int, required=True, help="how many of the bench's rows")
    made.add_argument("--output", type=Path, required=True, help="a .npy file: one float32 a key")
    options = made.parse_args()
    model = keras_without_pandas().models.load_model(options.model)
    chunks = [model.predict(chunk, batch_size=len(chunk), verbose=0) for chunk in features(options.rows)]
    np.save(options.output, np.concatenate(chunks).astype(np.float32).ravel())


if __name__ == "__main__":
    main()
