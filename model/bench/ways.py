"""The ways to the same predictions: the engine's, and what its users would write without it."""

import glob
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from model.bench import native
from model.bench.rows import Rows

OURS, OURS_ONE_FILE, OURS_SMALL, OURS_BAD = "ours", "ours, one file", "ours, a tenth", "ours, 10% bad rows"
OURS_TENFOLD, IMPORT, NATIVE = "ours, tenfold", "import tensorflow", "native C"
KERAS_8192, KERAS_32 = "model.predict, batch 8192", "model.predict, batch 32"  # of a whole file, in one call
KERAS_LOOP = "model.predict, 32 rows a call"
LOOP_SHARE = 50  # the loop gets this part of the rows: with all of them it would take an hour
BEAM, RUN_INFERENCE, OURS_BEAM = "Beam, DoFn over lines", "Beam, RunInference", "ours on Beam"
RAY, SPARK = "Ray Data", "Spark, mapInArrow"

# Keras imports pandas wherever it is installed, as it is beside these peers: a second that users of the engine save
WITHOUT_PANDAS = "import sys; sys.modules['pandas'] = None; import tensorflow"


@dataclass(frozen=True)
class Models:
    """The same weights, bare and keyed."""

    bare: Path
    keyed: Path


@dataclass(frozen=True)
class Way:
    """A way: its command for an output folder, the rows it predicts (None: none), the files it leaves."""

    name: str
    rows: Rows | None
    command: Callable[[Path], Sequence[str]]
    results: str = "*"
    environment: Mapping[str, str] = field(default_factory=dict)
    single: bool = False  # so slow, or so much alike from run to run, that one run says enough


def engine(name: str, rows: Rows, models: Models, *, module: str = "model.batch_predict", single: bool = False) -> Way:
    """Return the way of the batch engine, or of its pipeline."""
    head = [sys.executable, "-m", module, "--saved-model", str(models.keyed), "--input"]

    def command(output: Path) -> list[str]:
        return [*head, *glob.glob(rows.pattern), "--output", str(output)]  # noqa: PTH207 - absolute patterns

    return Way(name, rows, command, "prediction.results-*", single=single)


def import_only() -> Way:
    """Return the way that only imports TensorFlow."""
    return Way(
        IMPORT, None, lambda _: [sys.executable, "-c", WITHOUT_PANDAS], environment={"TF_CPP_MIN_LOG_LEVEL": "3"}
    )


def native_way(rows: Rows, models: Models, folder: Path) -> Way:
    """Compile the native peer and return its way.

    Raises:
        NoCompilerError: this machine cannot.
    """
    program = native.build(folder)

    def command(output: Path) -> list[str]:
        output.mkdir()
        return native.command(program, models.keyed, rows.pattern, output)

    return Way(NATIVE, rows, command)


def peer(name: str, module: str, rows: Rows, models: Models, *options: str, single: bool = False) -> Way:
    """Return the way of a module beside this one."""
    head = [sys.executable, "-m", f"model.bench.{module}", "--model", str(models.bare), "--saved-model"]
    tail = [str(models.keyed), "--input", rows.pattern, *options, "--output"]
    return Way(name, rows, lambda output: [*head, *tail, str(output)], single=single)


def peers(rows: Rows, few: Rows, models: Models) -> list[Way]:
    """Return what others would write, the fastest first; the slowest gets few rows."""
    return [
        peer(KERAS_8192, "keras_predict", rows, models),
        peer(BEAM, "beam_lines", rows, models),
        peer(SPARK, "spark_arrow", rows, models),
        peer(RAY, "ray_data", rows, models),
        peer(KERAS_32, "keras_predict", rows, models, "--batch", "32", single=True),
        peer(RUN_INFERENCE, "beam_run_inference", rows, models, single=True),
        peer(KERAS_LOOP, "keras_loop", few, models, "--batch", "32", single=True),
    ]


def missing(way: Way) -> str:
    """Say why a way cannot be gone on this machine; empty where it can."""
    return "needs Java, and no java is on PATH" if way.name == SPARK and not shutil.which("java") else ""


def result_files(way: Way, output: Path) -> list[Path]:
    """Return the files of JSON Lines that a way left."""
    return sorted(p for p in output.glob(way.results) if p.is_file() and not p.name.startswith((".", "_")))


def first_line(path: Path) -> dict[str, object]:
    """Return a file's first record."""
    with path.open("rb") as lines:
        record: dict[str, object] = orjson.loads(next(lines))
    return record
