"""The real emulator process, started and stopped by tests."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import proofs

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class LocalCloud:
    """A running emulator: its address, its state's folder and its process."""

    url: str
    state: Path
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End the process as a user's Ctrl-C or `local.stop` would, and wait for it."""
        self.process.terminate()
        self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()


def start_cloud(state: Path, *arguments: str, port: int = 0) -> LocalCloud:
    """Start `python -m infra.emulator` on a free port and wait for its ready line."""
    command = [sys.executable, "-m", "infra.emulator", "--port", str(port), "--state", str(state), *arguments]
    command += proofs.arguments(state, arguments)
    state.mkdir(parents=True, exist_ok=True)
    with (state / "emulator.stderr").open("a") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line.startswith("ready http://"), f"{line!r}: {(state / 'emulator.stderr').read_text()}"
    return LocalCloud(line.removeprefix("ready "), state, process)
