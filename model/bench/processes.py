"""A command, run to its end -> wall time, CPU time and peak memory of all its processes, orphans included."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.1
GRACE_SECONDS = 5.0  # for what a command leaves running behind it
PR_SET_CHILD_SUBREAPER = 36
REASON = re.compile(r"[\w.]*(Error|Exception)\b.*")  # what Python and Java name an uncaught one by


class FailedError(Exception):
    """A measured command that did not end well, with the line that says why."""


@dataclass(frozen=True)
class Measurement:
    """What one run took: seconds on the clock, seconds of processor (user + system), peak memory in MB (0: unknown)."""

    wall: float
    cpu: float
    peak_mb: float


def adopt_orphans() -> None:
    """Become the parent of what measured commands leave behind, so that it is counted and ended (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(command: Sequence[str], extra_environment: Mapping[str, str]) -> Measurement:
    """Run a command from start to exit.

    Raises:
        FailedError: its exit code is not 0.
    """
    others = frozenset(_tree(os.getpid()))
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        environment = {**os.environ, **extra_environment}
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        watch = _MemoryWatch(others)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(_tree(os.getpid(), others))
            raise
        wall = time.monotonic() - began
        watch.stop()
        cpu = usage.ru_utime + usage.ru_stime + _wait_for_orphans(others)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise FailedError(f"exit code {process.returncode}: {reason(said.read().decode(errors='replace'))}")
    return Measurement(wall, cpu, watch.peak / 1e6)


def reason(said: str) -> str:
    """Return the last line that names an exception in what a failed command said, else its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if REASON.match(line)), lines[-1] if lines else "it said nothing")


class _MemoryWatch(threading.Thread):
    """Looks a few times a second at the memory of a tree of processes; shared pages count once (PSS)."""

    def __init__(self, others: Set[int]) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._others = others
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.peak = max(self.peak, sum(map(_memory, _tree(os.getpid(), self._others))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _wait_for_orphans(others: Set[int]) -> float:
    """Return the processor time of what was left behind, once it is gone; end it where it stays."""
    cpu, deadline = 0.0, time.monotonic() + GRACE_SECONDS
    while left := _tree(os.getpid(), others):
        for pid in left:
            with contextlib.suppress(ChildProcessError):  # another one's child
                ended, _, usage = os.wait4(pid, os.WNOHANG)
                cpu += usage.ru_utime + usage.ru_stime if ended else 0
        if time.monotonic() > deadline:
            _end(left)
        time.sleep(0.02)
    return cpu


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tree(root: int, others: Set[int] = frozenset()) -> list[int]:
    """Return the descendants of a process but for others; where there is no /proc, none."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = place.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(place.parent.name))
    found, left = [], [root]
    while left:
        below = [pid for pid in children.get(left.pop(), []) if pid not in others]
        found += below
        left += below
    return found


def _memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it has ended
        pass
    return 0
