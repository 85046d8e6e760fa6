"""The import rules: arrows point one way, and TensorFlow stays out of every process that does not predict."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOUND = [*ROOT.glob("infra/**/*.py"), *ROOT.glob("model/**/*.py"), ROOT / "tasks.py", ROOT / "__main__.py"]
SOURCES = sorted(path for path in FOUND if ".venv" not in path.parts)  # the policy pack's environment lies beside it


def imported(path: Path) -> set[str]:
    """Return every absolute module name that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def importers(folder: str, *roots: str) -> list[str]:
    """Return the files below a folder that import one of some packages."""
    files = [path for path in SOURCES if path.is_relative_to(ROOT / folder)]
    return [
        str(path.relative_to(ROOT))
        for path in files
        if any(name == root or name.startswith(f"{root}.") for name in imported(path) for root in roots)
    ]


def test_model_imports_nothing_of_infra() -> None:
    """Model knows neither the infrastructure nor the tasks."""
    assert importers("model", "infra", "tasks") == []


def test_infra_imports_neither_model_nor_tensorflow() -> None:
    """The infrastructure, the engine and the emulator reach models only as processes; steps/ is the tasks' own."""
    assert [path for path in importers("infra", "model", "tensorflow", "keras") if "infra/steps/" not in path] == []


def test_only_tasks_are_made_of_steps() -> None:
    """Nothing of infra stands on what knows both sides."""
    assert [path for path in importers("infra", "infra.steps") if "infra/steps/" not in path] == []


def test_engine_imports_nothing_of_the_emulator() -> None:
    """The engine would work against any cloud."""
    assert importers("infra/engine", "infra.emulator") == []


def test_emulator_imports_nothing_of_the_engine_or_the_program() -> None:
    """The local cloud knows nothing of who calls it."""
    others = [f"infra.{path.stem}" for path in (ROOT / "infra").glob("*.py") if path.stem != "__init__"]
    assert importers("infra/emulator", "infra.engine", *others) == []


def test_facts_about_places_stand_alone() -> None:
    """What the program and the local cloud both know knows neither."""
    others = [name for name in imported(ROOT / "infra/places/multi_regions.py") if name.startswith(("infra", "model"))]
    assert others == []


def test_only_jobs_starts_models_programs() -> None:
    """Inside the emulator `model.batch_predict` and `model.serve` are named in one file."""
    emulator = [path for path in SOURCES if path.is_relative_to(ROOT / "infra/emulator")]
    programs = ('"model.batch_predict', '"model.serve')
    naming = [path.name for path in emulator if any(program in path.read_text() for program in programs)]
    assert naming == ["jobs.py"]


def test_nothing_imports_tasks() -> None:
    """tasks.py is the top: nobody imports it."""
    assert [str(path) for path in SOURCES if "tasks" in {name.split(".")[0] for name in imported(path)}] == []


@pytest.mark.parametrize("module", ["tasks", "infra.emulator.server", "infra.engine.__main__", "infra.program"])
def test_importing_does_not_load_tensorflow(module: str) -> None:
    """The task list, the local cloud, the engine and the program start without TensorFlow."""
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
