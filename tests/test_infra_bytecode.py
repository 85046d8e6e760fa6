"""Modules are compiled once where Python keeps nothing by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def compiled(root: Path) -> set[str]:
    """Return the modules that have been compiled."""
    return {path.name.partition(".")[0] for path in root.rglob("__pycache__/*.pyc")}


@pytest.mark.parametrize(("setting", "expected"), [("1", {"tasks", "one", "two"}), ("", set())])
def test_modules_are_compiled_where_python_keeps_nothing(tmp_path: Path, setting: str, expected: set[str]) -> None:
    """And only there; a module that is no Python is passed over."""
    for name in ("infra/one.py", "model/two.py", "model/broken.py", "tasks.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a = (" if "broken" in name else "a = 1")
    shutil.copy(ROOT / "infra" / "bytecode.py", tmp_path / "bytecode.py")
    program = "import pathlib, bytecode; bytecode.compile_once(pathlib.Path.cwd())"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": setting}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert compiled(tmp_path) - {"bytecode"} == expected
