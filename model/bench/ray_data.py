"""Ray Data as its guides have it: it reads the JSON Lines, and actors that hold the SavedModel map batches."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else, under `uv run`, each worker makes an environment first

import numpy as np
import ray

from model.bench.peers import BATCH, peer


class Predictor:
    """Predicts a batch of rows."""

    def __init__(self, saved_model: str) -> None:
        import tensorflow as tf  # noqa: PLC0415 - actors load it

        self.loaded = tf.saved_model.load(saved_model)
        self.signature = self.loaded.signatures["serving_default"]
        self.constant = tf.constant

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the batch's columns of predictions."""
        features = np.stack(list(batch["features"])).astype(np.float32)
        outputs = self.signature(features=self.constant(features), key=self.constant(batch["key"].astype(np.int64)))
        return {"prediction": outputs["prediction"].numpy(), "key": outputs["key"].numpy().ravel()}


def main() -> None:
    """Run on this machine, with an actor a processor."""
    told = peer("ray_data", "Ray Data's map_batches over actors.")
    processors = os.cpu_count() or 1
    ray.init(num_cpus=2 * processors, include_dashboard=False, log_to_driver=False)  # readers run beside the actors
    data = ray.data.read_json(told.files, lines=True)
    predicted = data.map_batches(
        Predictor,
        fn_constructor_args=(str(told.saved_model),),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=processors),
    )
    predicted.write_json(str(told.output))


if __name__ == "__main__":
    main()
