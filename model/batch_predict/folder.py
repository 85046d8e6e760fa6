"""The output folder: whose run it holds, what is unfinished in it, and how shards get their final names."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from model.batch_predict.identity import Plan, new_plan, own_plan
from model.batch_predict.inputs import InputFile
from model.batch_predict.settings import Settings, State, UnusableError
from model.batch_predict.shard import ShardFiles, delivered, shard_files
from model.batch_predict.tables import Table, TableFormat
from model.files import replacing, sha256
from model.signature import Signature

WORK = ".batch_predict"
PLAN = "plan.json"
MANIFEST = "manifest.json"
TABLES = {TableFormat.CSV.suffix, TableFormat.PARQUET.suffix}
LOCK_SECONDS = 2.0  # a killed run's workers are gone within milliseconds


@dataclass(frozen=True)
class Folder:
    """An output folder that this process holds the lock of."""

    output: Path
    plan: Plan
    fresh: bool
    finished: dict[str, Any] | None = None

    @property
    def work(self) -> Path:
        """Where the run's unfinished files lie."""
        return self.output / WORK


def open_folder(
    settings: Settings,
    files: Sequence[InputFile],
    signature: Signature,
    shards: int,
    restore: Callable[[], None] | None = None,
) -> Folder:
    """Lock the output folder and return it, ready for a new run or for the rest of its own.

    `restore` brings what the run has left elsewhere into the locked folder.

    Raises:
        UnusableError: it holds another run, or results and no `--resume`, or cannot be written.
    """
    output, work = settings.output, settings.output / WORK
    if not settings.address:
        _check_untouched(output, settings.resume)
    try:
        work.mkdir(parents=True, exist_ok=True)
        _lock(work, settings.place)
    except OSError as error:
        msg = f"Cannot write to {str(output)!r}: {error.strerror}"
        raise UnusableError(msg) from None
    if restore:
        restore()
    manifest = _read(output / MANIFEST)
    held = manifest.get("plan") if manifest else _read(work / PLAN)
    stored = msgspec.convert(held, Plan) if held else None
    if stored is None or not stored.complete:  # killed before its input was known: nothing there can be trusted
        clear(work)
        plan = new_plan(settings, files, signature, shards)
        write_json(work / PLAN, msgspec.to_builtins(plan))
        return Folder(output, plan, fresh=True)
    plan = own_plan(settings, files, signature, stored)
    if manifest and manifest["state"] == State.FINISHED:
        shutil.rmtree(work)
        return Folder(output, plan, fresh=False, finished=manifest)
    _take_back(output, work, plan)
    return Folder(output, plan, fresh=False)


def _check_untouched(output: Path, resume: bool) -> None:
    if resume:
        return
    if (output / MANIFEST).exists() or next(output.glob("prediction.*"), None):
        msg = f"{str(output)!r} already holds predictions. Choose another --output, or continue them with --resume"
        raise UnusableError(msg)
    if (output / WORK / PLAN).exists():
        msg = f"{str(output)!r} holds an unfinished run. Continue it with --resume, or choose another --output"
        raise UnusableError(msg)


def _lock(work: Path, place: str) -> None:
    """Hold the folder until this process and its workers, who inherit the lock, have ended."""
    descriptor = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                msg = f"Another run is writing to {place!r}. Wait for it, or choose another --output"
                raise UnusableError(msg) from None
            time.sleep(0.05)


def clear(work: Path) -> None:
    """Empty the work folder, whose lock this process holds."""
    for path in work.iterdir():
        if path.is_dir():  # of a search for duplicate keys that was killed
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _take_back(output: Path, work: Path, plan: Plan) -> None:
    """Undo a publication, whole or half, so that the shards can grow again."""
    (output / MANIFEST).unlink(missing_ok=True)
    write_json(work / PLAN, msgspec.to_builtins(plan))
    for number in range(plan.shards):
        for final, kept in zip(published(output, number, plan), shard_files(work, number)[:2], strict=True):
            if final.suffix in TABLES:  # its lines are still there
                final.unlink(missing_ok=True)
            elif final.exists():
                final.replace(kept)


def published(output: Path, number: int, plan: Plan) -> tuple[Path, Path]:
    """Return where a shard's results and errors lie in the end."""
    results, errors = shard_names(number, plan.shards, TableFormat(plan.predictions_format))
    return output / results, output / errors


def shard_names(number: int, shards: int, kind: TableFormat = TableFormat.JSONL) -> tuple[str, str]:
    """Return the final names of a shard's results and errors."""
    results, errors = (f"prediction.{name}-{number:05d}-of-{shards:05d}" for name in ("results", "errors"))
    return results + kind.suffix, errors


def stats_name(errors: str) -> str:
    """Return the name of what a service writes in place of an error shard."""
    return errors.replace("errors", "errors_stats")


def publish(folder: Folder, manifest: dict[str, Any], table: Table) -> None:
    """Give the shards their names, and then write the manifest: where it lies, the shards are whole."""
    for number in range(folder.plan.shards):
        if record := delivered(folder.work, number):
            manifest["shards"][number]["sha256"] = record.sha256
            continue
        files: ShardFiles = shard_files(folder.work, number)
        results, errors = published(folder.output, number, folder.plan)
        for kept in files[:2]:
            kept.touch()
        if table.kind is TableFormat.JSONL:
            files.results.replace(results)
        else:  # the lines stay: a run that was stopped goes on with them
            manifest["shards"][number]["sha256"] = _write_table(table, files.results, results)
        files.errors.replace(errors)
    write_json(folder.output / MANIFEST, manifest)
    if manifest["state"] == State.FINISHED:
        shutil.rmtree(folder.work)


def _write_table(table: Table, lines: Path, target: Path) -> str:
    with replacing(target) as temporary:
        table.write(lines, temporary)
    return sha256(target)


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        msg = f"{str(path)!r} is damaged. Choose another --output"
        raise UnusableError(msg) from None
    return content
