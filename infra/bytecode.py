"""Python's modules, compiled once: what Python does by itself where nobody keeps it from that.

invoke does, for its own process. Containers often set PYTHONDONTWRITEBYTECODE, for all: every start of every program
would compile TensorFlow's 1,500 files again, 8 s instead of 3. uv can compile what it installs, but then looks at all
files again in every `uv run`, which takes seconds.
"""

import os
import sys
import sysconfig
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).parent.parent


def compile_once(root: Path = ROOT) -> None:
    """Compile the project in a folder, and what is installed where Python keeps nothing that it compiles, if not done.

    Changed files are compiled at each start, as without this. Folders that cannot be written stay as they are.

    Raises:
        SystemExit: 130, at Ctrl-C; the next call goes on from there.
    """
    try:
        if not sys.flags.dont_write_bytecode:
            sys.dont_write_bytecode = False  # invoke's default: it is afraid of an outdated tasks.pyc
        elif sys.prefix != sys.base_prefix:  # never a Python that others use too
            compile_packages(Path(sysconfig.get_path("purelib")))
        _compile_project(root)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def compile_packages(folder: Path) -> None:
    """Compile what is installed in a folder, and again when something else is."""
    marker = folder / f"compiled.{sys.implementation.cache_tag}"
    installed = "\n".join(sorted(path.name for path in folder.glob("*.dist-info")))
    if marker.exists() and marker.read_text() == installed:
        return
    print("Compiling the installed Python modules, once: PYTHONDONTWRITEBYTECODE is set …", file=sys.stderr, flush=True)
    if _compile(folder):
        marker.write_text(installed)


def _compile_project(root: Path) -> None:
    last = root / "tasks.py"
    if not Path(cache_from_source(str(last))).exists():
        for folder in (root / "infra", root / "model"):
            _compile(folder)
        _compile(last)


def _compile(path: Path) -> bool:
    """Compile a folder's modules or one, and tell whether its compiled ones can be written; some are no Python."""
    import compileall  # noqa: PLC0415 - hardly ever needed

    if path.is_dir():
        compileall.compile_dir(path, quiet=2, workers=0)
    else:
        compileall.compile_file(path, quiet=2)
    return os.access(path, os.W_OK)
