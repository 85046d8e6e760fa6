"""The SDK's server of dynamic resources, a process that starts before it is needed."""

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from infra.engine.host import start, stop
from infra.engine.providers import ProviderError


class DynamicServer:
    """The process `python -m pulumi.dynamic` in the program's folder, started before it is needed."""

    def __init__(self, folder: Path, project: str, show: Callable[[str], None]) -> None:
        self._folder = folder
        self._project = project
        self._show = show
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._lock = threading.Lock()

    def launch(self) -> None:
        """Start the process and go on."""
        with self._lock:
            if self._process is None:
                self._process = start("dynamic", self._folder, PULUMI_PROJECT=self._project)

    def port(self) -> int:
        """Return the port once the server listens.

        Raises:
            ProviderError: where it does not start.
        """
        self.launch()
        with self._lock:
            if not self._port:
                self._port = self._announced()
            return self._port

    def _announced(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            if line.strip().isdigit():
                threading.Thread(target=self._drain, args=(self._process.stdout,), daemon=True).start()
                return int(line)
            said.append(line.strip())
        msg = f"the server of dynamic resources did not start: {' '.join(said)[-300:]}"
        raise ProviderError(msg)

    def _drain(self, output: IO[str]) -> None:
        with suppress(ValueError):  # the pipe is closed under the reader at the end
            for line in output:
                self._show(line.rstrip("\n"))

    def end(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                stop(self._process)
