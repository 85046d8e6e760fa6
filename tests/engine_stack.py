"""A folder with a Pulumi program of recorded resources, driven by the engine's real command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data" / "engine"
STACK = "dev"
SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """What one command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on the last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


@dataclass(frozen=True)
class EngineStack:
    """The program's folder; what a run is to do stands in scenario.json."""

    folder: Path

    def set(self, resources: dict[str, Any], **scenario: Any) -> None:
        """Say what the program declares, and what its provider does."""
        program = {"r": resources, "outputs": scenario.pop("outputs", {})}
        self.put({"program": program, "create_fails": [], "gone_on_read": [], **scenario})

    def put(self, scenario: dict[str, Any]) -> None:
        """Write scenario.json."""
        (self.folder / "scenario.json").write_text(json.dumps(scenario))

    def start(self, command: str, *flags: str) -> "subprocess.Popen[str]":
        """Start a command and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "infra.engine", command, "--stack", STACK, "-C", str(self.folder), *flags],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PULUMI_CONFIG_PASSPHRASE": ""},
        )

    def run(self, command: str, *flags: str) -> Ran:
        """Run a command to its end."""
        return finish(self.start(command, *flags))

    def calls(self) -> list[dict[str, Any]]:
        """Return the provider calls since the last time, and forget them."""
        file = self.folder / "calls.jsonl"
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    @property
    def state_file(self) -> Path:
        """Where the state lies."""
        return self.folder / ".local" / "stacks" / "scenarios" / f"{STACK}.json"

    def resources(self) -> list[dict[str, Any]]:
        """Return the state's resources, sealed."""
        found: list[dict[str, Any]] = json.loads(self.state_file.read_text())["deployment"].get("resources", [])
        return found

    def names(self) -> list[str]:
        """Return the names of the state's resources, without the stack and providers."""
        rows = [row["urn"] for row in self.resources() if not row["type"].startswith("pulumi:")]
        return [urn.rsplit("::", 1)[1] for urn in rows]

    def wait_for(self, name: str) -> None:
        """Wait for a file of the program's folder."""
        wait_until(lambda: bool((self.folder / name).exists() and (self.folder / name).read_text()))

    def provider_is_gone(self, name: str) -> bool:
        """Tell whether the process that stood still at a resource has ended."""
        stat = Path("/proc", (self.folder / f"paused-{name}").read_text(), "stat")
        # One that nobody has waited for yet is listed as a zombie.
        return not stat.exists() or ") Z " in stat.read_text()


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def finish(process: "subprocess.Popen[str]") -> Ran:
    """Wait for a command."""
    out, err = process.communicate(timeout=SECONDS)
    return Ran(process.returncode, out, err)


def new_stack(folder: Path) -> EngineStack:
    """Copy the program of recorded resources."""
    shutil.copytree(DATA / "scenario_program", folder, dirs_exist_ok=True)
    return EngineStack(folder)


def interrupt(process: "subprocess.Popen[str]") -> None:
    """Send what a terminal's Ctrl-C sends."""
    process.send_signal(signal.SIGINT)
