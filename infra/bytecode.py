"""This project's modules, compiled once: what uv does for what it installs, and Python by itself where it may."""

import compileall
import sys
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).parent.parent


def compile_once(root: Path = ROOT) -> None:
    """Compile the modules below a project's folder, unless Python keeps what it compiles, or they are compiled.

    Containers often set PYTHONDONTWRITEBYTECODE: every start of every program would compile some hundred files again.
    Changed files are compiled at each start, as without this. A folder that cannot be written stays as it is.
    """
    last = root / "tasks.py"
    if not sys.dont_write_bytecode or Path(cache_from_source(str(last))).exists():
        return
    for folder in (root / "infra", root / "model"):
        compileall.compile_dir(folder, quiet=2, workers=0)
    compileall.compile_file(last, quiet=2)
