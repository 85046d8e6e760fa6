"""The native peer: model/bench/native.c, compiled against the TensorFlow that is installed, and its command line."""

import glob
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from model.signature import read_signature

SOURCE = Path(__file__).with_name("native.c")
LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")


class NoCompilerError(Exception):
    """This machine cannot build the native peer, and why."""


def build(folder: Path) -> Path:
    """Compile the program into a folder and return it.

    Raises:
        NoCompilerError: there is no C compiler, or it fails.
    """
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        msg = "no C compiler (cc) on PATH"
        raise NoCompilerError(msg)
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        msg = "TensorFlow is not installed"
        raise NoCompilerError(msg)
    wheel, program = Path(spec.origin).parent, folder / "native"
    linked = [f"-l:{name}" for name in LIBRARIES]
    command = [compiler, "-O3", "-pthread", "-o", str(program), str(SOURCE), f"-L{wheel}", *linked]
    done = subprocess.run([*command, f"-Wl,-rpath,{wheel}"], capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{compiler} fails: {done.stderr.strip().splitlines()[-1:]}"
        raise NoCompilerError(msg)
    return program


def command(program: Path, saved_model: Path, pattern: str, output: Path) -> list[str]:
    """Return the program's command line for a keyed SavedModel."""
    signature = read_signature(saved_model)
    inputs = {spec.alias: spec.tensor for spec in signature.inputs}
    outputs = {spec.alias: spec.tensor for spec in signature.outputs}
    tensors = [inputs["features"], inputs["key"], outputs["prediction"], outputs["key"]]
    files = sorted(glob.glob(pattern))  # noqa: PTH207 - absolute patterns
    return [str(program), str(saved_model), str(output), str(os.cpu_count()), *tensors, *files]
