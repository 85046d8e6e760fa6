"""Modules are compiled once where Python keeps nothing by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bytecode import compile_packages

ROOT = Path(__file__).parent.parent


def compiled(root: Path) -> set[str]:
    """Return the modules that have been compiled."""
    return {path.name.partition(".")[0] for path in root.rglob("__pycache__/*.pyc")}


@pytest.mark.parametrize("setting", ["1", ""])
def test_modules_of_the_project_are_compiled(tmp_path: Path, setting: str) -> None:
    """Whether Python may keep what it compiles or not; a module that is no Python is passed over."""
    for name in ("infra/one.py", "model/two.py", "model/broken.py", "tasks.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a = (" if "broken" in name else "a = 1")
    shutil.copy(ROOT / "infra" / "bytecode.py", tmp_path / "bytecode.py")
    program = "import pathlib, sys, bytecode; sys.prefix = sys.base_prefix; bytecode.compile_once(pathlib.Path.cwd())"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": setting}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert compiled(tmp_path) - {"bytecode"} == {"tasks", "one", "two"}


def test_python_keeps_what_an_invoke_process_imports() -> None:
    """Invoke forbids it; only whoever sets PYTHONDONTWRITEBYTECODE forbids it here."""
    program = "import sys; sys.dont_write_bytecode = True; import tasks; print(sys.dont_write_bytecode)"
    for setting, expected in (("1", "True"), ("", "False")):
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": setting}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected


def test_packages_are_compiled_when_others_are_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once for what is there, and once more for what has come; people are told what takes so long."""
    for package in ("one", "two"):
        (tmp_path / f"{package}-1.dist-info").mkdir()
        (tmp_path / f"{package}.py").write_text("a = 1")
        compile_packages(tmp_path)
        assert package in compiled(tmp_path)
        assert capsys.readouterr().err.startswith("Compiling the installed Python modules")
    shutil.rmtree(tmp_path / "__pycache__")
    compile_packages(tmp_path)
    assert (compiled(tmp_path), capsys.readouterr().err) == (set(), "")
