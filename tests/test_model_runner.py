"""Both ways into TensorFlow give the same outputs for the same inputs, for every dtype."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from model.batching import Batch, predict
from tests.batch import ROOT

INSTANCES = {
    "keyed": ['{"features": [1,2,3,4,5,6,7,8,9,10,11,12,13.5], "key": 9007199254740993}'] * 3,
    "functional": ['{"features": [1,2,3,4,5,6,7,8,9,10,11,12,13.5], "key": 7}'],
    "single": ["[1, 2, 3]", "[0.5, 1e-30, 1e30]"],
    "text": ['"a"', '""', '"a text longer than a string holds in place"', '{"b64": "/wA="}'],
    "image": ['{"image": [[[1], [2], [3]], [[4], [5], [255]]], "key": "k"}'],
    "multi": ['{"a": 1.5, "b-b": [1, -2], "c": true, "d": [[1, 2], [3, 4.5]], "e": ["x", {"b64": "AA=="}]}'],
    "numbers": [
        '{"int8": -128, "int16": -32768, "int32": -2147483648, "int64": -9223372036854775808, "uint8": 255, '
        '"uint16": 65535, "uint32": 4294967295, "uint64": 18446744073709551615, "float16": 65504, "bfloat16": 3e38, '
        '"float64": 1e308, "bool": [true, false]}'
    ],
    "variable": ['{"tokens": [1, 2], "key": "a"}', '{"tokens": [3, 4], "key": "b"}'],
}  # fmt: skip

COMPARE = """
import sys
from pathlib import Path
import numpy as np
from model.instances import instance_decoder
from model.runner import load
from model.signature import read_signature

for name, lines in {instances!r}.items():
    folder = Path({folder!r}) / name
    signature = read_signature(folder)
    by_c, by_python = (load(folder, signature, kind) for kind in ("c", "python"))
    assert (by_c.name, by_python.name) == ("c", "python")
    (group,) = instance_decoder(signature)([line.encode() for line in lines]).groups
    expected, found = by_python.run(group.inputs), by_c.run(group.inputs)
    assert found.keys() == expected.keys(), name
    for alias, array in found.items():
        assert array.dtype == expected[alias].dtype, (name, alias)
        np.testing.assert_array_equal(array, expected[alias], f"{{name}} {{alias}}")
    print(name, "equal")
"""


@pytest.mark.long
def test_c_api_and_python_package_agree(saved_models: Path) -> None:
    """Numbers, texts, bytes, truth values and images are bit for bit equal."""
    code = COMPARE.format(instances=INSTANCES, folder=str(saved_models))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [word for name in INSTANCES for word in (name, "equal")], done.stderr[-2000:]


class Narrow:
    """A runner whose memory holds four rows; with `rows` 0, none."""

    name, fallback = "narrow", ""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what it is given."""
        if len(inputs["x"]) > self.rows:
            raise MemoryError
        return {"y": inputs["x"]}


def test_a_batch_beyond_this_processs_memory_is_halved() -> None:
    """As often as needed; where not even a row fits, that is no fault of the row."""
    parts = list(predict(Narrow(4), {"x": np.arange(100)}, 64))
    rows = [int(row) for part in parts if isinstance(part, Batch) for row in part.outputs["y"]]
    assert rows == list(range(100))
    with pytest.raises(MemoryError):
        list(predict(Narrow(0), {"x": np.arange(2)}, 64))
