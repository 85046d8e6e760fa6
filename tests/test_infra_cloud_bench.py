"""The local cloud's bench measures what it says, by the parts it runs with."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.cloud_bench.calls import rate
from infra.cloud_bench.figures import Figures, Size, measure, targets
from infra.cloud_bench.servers import local_cloud
from infra.cloud_bench.transfers import MEMORY, roomy
from infra.errors import InfraError

ROOT = Path(__file__).parent.parent


@pytest.mark.long
def test_every_figure_is_measured_of_the_running_server() -> None:
    """A small round gives a figure for each line, and its progress ends near the whole."""
    told: list[float] = []
    with local_cloud() as server:
        found = measure(server, Size(calls=1000, long_run=8000, megabytes=2), lambda done, _: told.append(done))
        with pytest.raises(InfraError, match="404"):
            rate(server.port, "/storage/v1/b/none", 10, 1, lambda _: None)
    assert server.process.returncode is not None
    assert all(value > 0 for value in vars(found).values())
    assert told == sorted(told)
    assert told[-1] == pytest.approx(0.96)


def test_targets_tell_met_from_missed() -> None:
    """A figure on the wrong side of its target is missed."""
    good = Figures(1.0, 1600, 3000, 200, 50, 51, 160, 310)
    assert [one.met for one in targets(good)] == [True] * 6
    bad = Figures(2.5, 1400, 1300, 200, 50, 90, 140, 290)
    assert [one.met for one in targets(bad)] == [False] * 6


def test_the_clients_files_lie_in_memory_where_there_is_room() -> None:
    """The disk under the temporary folder is none of the server's; too large a file goes there all the same."""
    assert roomy(1) == (MEMORY if MEMORY.is_dir() else None)
    assert roomy(1 << 60) is None


def invoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke ARGUMENTS`."""
    command = [sys.executable, "-m", "invoke", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_task_takes_its_subject_by_position() -> None:
    """`invoke bench cloud` runs this bench, and an unknown subject is named."""
    done = invoke("--dry", "bench", "cloud", "--quick")
    assert "python -m infra.cloud_bench --quick" in done.stdout
    wrong = invoke("bench", "nothing")
    assert (wrong.returncode, "No bench 'nothing'" in wrong.stderr) == (1, True)


def test_the_task_passes_on_what_its_bench_takes() -> None:
    """Rounds and ways go to the batch engine's bench; one that has none refuses them in a line."""
    done = invoke("--dry", "bench", "predict", "--rounds", "2", "--only", "Ray Data", "--only", "ours")
    assert "python -m model.bench predict --rounds 2 --only 'Ray Data' --only ours" in done.stdout
    wrong = invoke("bench", "cloud", "--only", "Ray")
    assert (wrong.returncode, "--only is no option of invoke bench cloud" in wrong.stderr) == (1, True)
