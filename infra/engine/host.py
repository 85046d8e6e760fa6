"""The program and the server of dynamic resources as child processes, which never outlive the engine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")


class Program:
    """A program's process: started at once, told what to do when the engine listens."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        self._process = start("program", folder)
        self._reader = threading.Thread(target=self._read, args=(show,), daemon=True)

    def run(self, job: dict[str, Any], at_exit: Callable[[int], None]) -> None:
        """Hand over the job; `at_exit` hears the exit code once all of the program's output was shown."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it died at its imports: its output and exit code tell
        self._reader.start()
        threading.Thread(target=self._wait, args=(at_exit,), daemon=True).start()

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        if self._reader.is_alive():
            self._reader.join()
        stop(self._process)

    def _read(self, show: Callable[[str], None]) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            show(line.rstrip("\n"))

    def _wait(self, at_exit: Callable[[int], None]) -> None:
        code = self._process.wait()
        self._reader.join()
        at_exit(code)


def start(kind: str, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start a child in a folder, out of reach of the terminal's Ctrl-C: the engine decides what happens then."""
    return subprocess.Popen(
        # -P: the engine's own files are not importable by their bare names there.
        [sys.executable, "-u", "-P", str(CHILD), kind],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Kill a child and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            with suppress(BrokenPipeError, ValueError):
                pipe.close()
