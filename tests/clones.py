"""A copy of this checkout in a folder of its own, where tests run the tasks as a user does."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Clone:
    """The copy, and the port of its local cloud."""

    path: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its commands run with."""
        return {**os.environ, "LOCAL_CLOUD_PORT": str(self.port), "PYTHONPATH": str(self.path), "COLUMNS": "160"}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `invoke ARGUMENTS` in the copy."""
        command = [sys.executable, "-m", "invoke", *arguments]
        return subprocess.Popen(command, cwd=self.path, env=self.environment, text=True, **options)

    def invoke(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `invoke ARGUMENTS` in the copy, without a terminal."""
        command = [sys.executable, "-m", "invoke", *arguments]
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def facts(self, *arguments: str) -> dict[str, Any]:
        """Run `invoke ARGUMENTS --json`, which must succeed, and return the object in stdout's last line."""
        done = self.invoke(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_clone(path: Path) -> Clone:
    """Copy every file that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source = ROOT / name
        if source.is_file() and not name.startswith("tests/"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path / name)
    return Clone(path, free_port())
