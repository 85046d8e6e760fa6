"""SavedModels of many kinds, made once per session in a process of its own: the tests' process needs no TensorFlow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
LARGEST_KEY = 1 << 24
RECORDS = 200
Function = Callable[..., Any]


def make_saved_models(folder: Path) -> Path:
    """Write every model below a folder and return it."""
    command = [sys.executable, "-m", "tests.saved_models", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True)
    return folder


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Return rows of 13 features, as the JSON reader will see them."""
    return np.random.default_rng(seed).normal(size=(count, 13)).round(4)


def bare_predictions(folder: Path, features: np.ndarray) -> np.ndarray:
    """Return what the housing-like network gives for features, computed without TensorFlow."""
    weights = np.load(folder / "weights.npz")
    hidden = np.maximum(features @ weights["w"] + weights["b"], 0)
    result: np.ndarray = hidden @ weights["v"] + weights["c"]
    return result


def _write(folder: Path) -> None:
    import tensorflow as tf

    def spec(dtype: Any, *shape: int | None, name: str) -> Any:
        return tf.TensorSpec(shape, dtype, name)

    features, key = spec(tf.float32, None, 13, name="features"), spec(tf.int64, None, name="key")
    random = np.random.default_rng(7)
    weights: dict[str, Any] = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in {"w": (13, 8), "b": (8,), "v": (8, 1), "c": (1,)}.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "weights.npz", **weights)

    class Housing(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.w, self.b, self.v, self.c = (tf.Variable(weights[name]) for name in "wbvc")

        def bare(self, rows: Any) -> Any:
            return tf.nn.relu(rows @ self.w + self.b) @ self.v + self.c

    housing = Housing()

    def save(name: str, **signatures: Any) -> None:
        module = tf.Module()
        module.kept = housing
        tf.saved_model.save(module, str(folder / name), signatures=signatures)

    def function(*specs: Any) -> Callable[[Function], Function]:
        made: Callable[[Function], Function] = tf.function(input_signature=specs)
        return made

    @function(features, key)
    def keyed(features: Any, key: Any) -> Any:
        return {"prediction": housing.bare(features), "key": key}

    @function(features, key)
    def doubled(features: Any, key: Any) -> Any:
        return {"doubled": 2 * housing.bare(features), "key": key}

    @function(features, key)
    def functional(features: Any, key: Any) -> Any:
        holds = tf.debugging.assert_less_equal(key, tf.constant(LARGEST_KEY, tf.int64), "key beyond float32")
        with tf.control_dependencies([holds]):
            number = tf.cast(key, tf.float32)[:, None]
        return {"prediction_with_key": tf.concat([housing.bare(features), number], 1)}

    @function(spec(tf.float32, None, 3, name="x"))
    def single(x: Any) -> Any:
        return {"y": tf.reduce_sum(x, 1), "log": tf.math.log(x)}

    @function(spec(tf.string, None, name="text"))
    def text(text: Any) -> Any:
        return {"length": tf.strings.length(text), "upper": tf.strings.upper(text), "raw_bytes": text}

    @function(spec(tf.string, None, name="examples"))
    def examples(examples: Any) -> Any:
        features = {"features": tf.io.FixedLenFeature([13], tf.float32), "key": tf.io.FixedLenFeature([], tf.int64)}
        parsed = tf.io.parse_example(examples, features)
        return {"prediction": housing.bare(parsed["features"]), "key": parsed["key"]}

    @function(spec(tf.uint8, None, 2, 3, 1, name="image"), spec(tf.string, None, name="key"))
    def image(image: Any, key: Any) -> Any:
        return {
            "flipped": tf.reverse(image, [1]),
            "mean": tf.reduce_mean(tf.cast(image, tf.float64), [1, 2]),
            "key": key,
        }

    @function(
        spec(tf.float32, None, name="a"),
        spec(tf.int32, None, 2, name="b-b"),
        spec(tf.bool, None, name="c"),
        spec(tf.float64, None, 2, 2, name="d"),
        spec(tf.string, None, 2, name="e"),
    )
    def multi(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
        return {"a": a, "b%": b, "c": tf.logical_not(c), "d": d, "e": e, "half": tf.cast(a, tf.bfloat16)}

    @function(spec(tf.int32, None, None, name="tokens"), spec(tf.string, None, name="key"))
    def variable(tokens: Any, key: Any) -> Any:
        return {"total": tf.reduce_sum(tokens, 1), "doubled": tokens * 2, "key": key}

    kinds = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float64")

    @function(*(spec(tf.as_dtype(kind), None, name=kind) for kind in kinds), spec(tf.bool, None, 2, name="bool"))
    def numbers(*values: Any) -> Any:
        return {f"{name}_out": tf.identity(value) for name, value in zip((*kinds, "bool"), values, strict=True)}

    @function(spec(tf.float32, None, name="x"))
    def hungry(x: Any) -> Any:
        beyond_memory = tf.cast(tf.size(x) > 4, tf.int64) * 2**46
        return {"y": x + tf.reduce_sum(tf.zeros([beyond_memory]))}

    @function(spec(tf.float32, 8, 13, name="features"))
    def fixed(features: Any) -> Any:
        return {"prediction": housing.bare(features)}

    @function(features)
    def pooled(features: Any) -> Any:
        return {
            "mean": tf.reduce_mean(features, 0, keepdims=True) * tf.ones((tf.random.uniform((), 1, 2, tf.int32), 13))
        }

    @function(features)
    def uneven(features: Any) -> Any:
        return {"prediction": housing.bare(features), **pooled(features)}

    @function(spec(tf.float32, None, 4, name="values"), key)
    def documented(values: Any, key: Any) -> Any:
        return {"result": tf.cast(tf.reduce_sum(values, 1) < 11 + 0 * tf.cast(key, tf.float32), tf.int32)}

    plain = {
        "keyed": keyed,
        "functional": functional,
        "single": single,
        "text": text,
        "examples": examples,
        "image": image,
        "multi": multi,
        "variable": variable,
        "numbers": numbers,
        "hungry": hungry,
        "fixed": fixed,
        "pooled": pooled,
        "uneven": uneven,
        "documented": documented,
    }
    for name, served in plain.items():
        save(name, serving_default=served)
    save("two", serving_default=keyed, doubled=doubled)
    save("named", priced=keyed)
    shutil.copytree(folder / "keyed", folder / "broken")
    (folder / "broken" / "saved_model.pb").write_bytes((folder / "keyed" / "saved_model.pb").read_bytes()[:700])
    shutil.copytree(folder / "keyed", folder / "no_variables")
    (folder / "no_variables" / "variables" / "variables.index").unlink()
    _write_records(folder)


def _write_records(folder: Path) -> None:
    """Write keyed rows as tf.Examples, plain and gzipped, by TensorFlow's own writer."""
    import tensorflow as tf

    def example(key: int, row: list[float]) -> bytes:
        values = {
            "features": tf.train.Feature(float_list=tf.train.FloatList(value=row)),
            "key": tf.train.Feature(int64_list=tf.train.Int64List(value=[key])),
        }
        encoded: bytes = tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()
        return encoded

    for name, compression in (("rows.tfrecord", ""), ("rows.tfrecord.gz", "GZIP")):
        with tf.io.TFRecordWriter(str(folder / name), compression) as writer:
            for key, row in enumerate(rows(RECORDS).tolist()):
                writer.write(example(key - 5, row))  # negative keys too


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
