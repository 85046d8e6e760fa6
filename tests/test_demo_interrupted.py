"""The demo, stopped anywhere and run again: it completes, and nothing is there twice."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.clones import Clone, make_clone

pytestmark = pytest.mark.long

CUTS = [(1, 0.3), (2, 0.4), (2, 1.2), (3, 2.0), (4, 1.0), (5, 0.5), (6, 0.8), (6, 1.8), (7, 0.6), (7, 2.0), (8, 0.2)]


def run_until(clone: Clone, part: int, seconds: float, number: signal.Signals) -> tuple[int, str]:
    """Start the demo, send its processes a signal some seconds into a part; return its code and what it said then."""
    demo = clone.start("demo", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    assert demo.stderr is not None
    for line in demo.stderr:
        if line.startswith(f"[{part}/8]"):
            break
    time.sleep(seconds)
    if demo.poll() is None:
        os.killpg(demo.pid, number)
    said = demo.stderr.read()
    demo.stderr.close()
    return demo.wait(60), said


def assert_complete(clone: Clone) -> None:
    """Run the demo to its end: everything is there once, and every instance has its prediction."""
    facts = clone.facts("demo")
    assert [job["joined"] for job in facts["jobs"]] == [102, 102]
    assert facts["resources"] == 32
    assert set(clone.facts("preview", "--refresh")["changeSummary"]) == {"same"}


def test_demo_killed_in_every_part_completes_when_run_again(tmp_path: Path) -> None:
    """Killed (-9) in each part of the demo, one after the other on the same state, then a whole run."""
    clone = make_clone(tmp_path)
    try:
        for part, seconds in CUTS:
            run_until(clone, part, seconds, signal.SIGKILL)
        assert_complete(clone)
    finally:
        clone.invoke("local.stop")


@pytest.mark.parametrize(("part", "seconds"), [(2, 0.05), (2, 0.8), (3, 3.0), (6, 1.5), (7, 1.0)])
def test_demo_interrupted_says_how_to_go_on(tmp_path: Path, part: int, seconds: float) -> None:
    """Ctrl-C ends the demo without a traceback; the next run completes."""
    clone = make_clone(tmp_path)
    try:
        code, said = run_until(clone, part, seconds, signal.SIGINT)
        # CPython ends itself by the signal where Ctrl-C went through an exec, as dataclasses use: shells call it 130
        assert code in {0, 130, -signal.SIGINT}
        assert "Traceback" not in said
        assert_complete(clone)
    finally:
        clone.invoke("local.stop")
