"""The only place that starts the model's programs: batch runs and model servers, as child processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BATCH, SERVE = "model.batch_predict", "model.serve"
PARENT = "PARENT_PROCESS"  # a child that starts while we are killed could not tell any more whose it was
LOG_TAIL = 8192
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Batch:
    """One run of the batch engine: what it reads, what it writes, how it splits its work."""

    folder: Path
    saved_model: Path
    inputs: Path
    workers: int
    shards: int
    seed: int
    batch_size: int = 0  # 0: the engine's choice
    resume: bool = False
    signature: str = ""  # the engine's choice: serving_default
    with_instance: bool = True  # AI Platform's result lines are the prediction alone
    instance: Mapping[str, Any] = field(default_factory=dict)  # the job's instanceConfig
    instances_format: str = "jsonl"
    parity: str = ""  # the service whose failures of whole batches are wanted

    @property
    def output(self) -> Path:
        """Where the engine writes its shards."""
        return self.folder / "output"

    @property
    def listed(self) -> Path:
        """Where what file lists name lies."""
        return self.folder / "listed"

    def resumed(self) -> "Batch":
        """Return the run that goes on where a killed one stopped."""
        return replace(self, resume=True)

    @property
    def progress(self) -> Path:
        """The file that says how far it is."""
        return self.folder / "progress.json"


def start_batch(batch: Batch) -> Process:
    """Start a run; its answer comes in `stdout`, what it has to say in `stderr`, both in the run's folder."""
    arguments = [
        *("--saved-model", str(batch.saved_model)),
        *("--input", str(batch.inputs)),
        *("--output", str(batch.output)),
        *("--input-root", f"{batch.inputs}=gs://"),
        *("--workers", str(batch.workers)),
        *("--shards", str(batch.shards)),
        *("--seed", str(batch.seed)),
        *("--progress", str(batch.progress)),
        *(("--batch-size", str(batch.batch_size)) if batch.batch_size else ()),
        *(("--resume",) if batch.resume else ()),
        *(("--signature", batch.signature) if batch.signature else ()),
        *(("--with-instance",) if batch.with_instance else ()),
        *(("--text-lines",) if not batch.with_instance and batch.instances_format == "jsonl" else ()),
        *("--instances-format", batch.instances_format),
        *(("--csv-rows", "array") if batch.instances_format == "csv" else ()),
        *("--listed", str(batch.listed)),
        *_instance_options(batch.instance),
        *(("--parity", batch.parity) if batch.parity else ()),
        "--json",
        "--die-with-parent",
    ]
    return _start(BATCH, arguments, batch.folder, {})


def _instance_options(config: Mapping[str, Any]) -> list[str]:
    """Return the engine's options for an instanceConfig."""
    texts = {
        "--key-field": config.get("keyField", ""),
        "--included-fields": _names(config.get("includedFields")),
        "--excluded-fields": _names(config.get("excludedFields")),
        "--instance-type": config.get("instanceType", ""),
    }
    return [f"{option}={text}" for option, text in texts.items() if text]


def _names(names: Sequence[str] | None) -> str:
    return json.dumps(names) if names else ""


def start_server(environment: Mapping[str, str], folder: Path) -> Process:
    """Start a model server with a container's environment; its address comes in `stdout` in the folder."""
    return _start(SERVE, ["--die-with-parent"], folder, environment)


def _start(module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C in the cloud's terminal is the cloud's to handle
        )


def kill(process: Process) -> None:
    """End a child and its own children at once, and wait for it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stop(process: Process, seconds: float) -> None:
    """Ask a child to end what it has begun; kill it where that takes longer."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill(process)


def last_line(log: Path) -> str:
    """Return the last line that a child wrote, or nothing."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
