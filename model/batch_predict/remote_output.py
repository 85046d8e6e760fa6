"""A run whose output is on gs://: made shard by shard in a folder of this machine, its manifest uploaded last.

An object is there whole or not at all, and where the manifest is, everything is. What an unfinished run leaves beside
its shards, below `.batch_predict/`, is enough to go on with it on any machine.
"""

import hashlib
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from model import gcs
from model.batch_predict.delivery import TRANSFERS, crc32c
from model.batch_predict.folder import MANIFEST, PLAN, WORK, clear, write_json
from model.batch_predict.settings import Settings, State, UnusableError, broken_off
from model.batch_predict.shard import Delivered, delivered, delivered_file, shard_files
from model.model_cache import cache_folder

Objects = Mapping[str, gcs.GcsObject]


def staging(uri: str) -> Path:
    """Return the folder in which a run for an address is made."""
    return cache_folder("runs") / hashlib.sha256(uri.rstrip("/").encode()).hexdigest()[:24]


def take_over(settings: Settings, there: dict[str, str]) -> None:
    """See that the address is free, or bring here what the run has left there; `there` gets the objects' checksums.

    Raises:
        UnusableError: there are results already, or an unfinished run, and no `--resume`.
    """
    base = settings.address.rstrip("/") + "/"
    try:
        objects = {item.uri.removeprefix(base): item for item in gcs.under(base)}
        if settings.resume:
            _restore(settings.output, objects)
        else:
            _check_free(settings.address, objects)
            _wipe(settings.output)  # of a run whose objects somebody has deleted
    except OSError as error:
        msg = f"Cannot write to {settings.address!r}: {error.strerror}"
        raise UnusableError(msg) from None
    there.update({name: item.crc32c for name, item in objects.items()})


def upload(folder: Path, uri: str, *, finished: bool) -> None:
    """Bring the rest of a run's files to the address; a finished one needs its folders no more.

    Raises:
        BrokenOffError: they cannot be brought there now.
    """
    base = uri.rstrip("/")
    files = sorted(path for path in folder.glob("prediction.*") if path.is_file())
    try:
        objects = {item.uri.removeprefix(f"{base}/"): item for item in gcs.under(f"{base}/")}
        sent = [path for path in files if not _is_there(path, objects)]
        with ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda path: gcs.upload(path, f"{base}/{path.name}"), sent))
        if not _is_there(folder / MANIFEST, objects):
            gcs.upload(folder / MANIFEST, f"{base}/{MANIFEST}")
    except OSError as error:
        raise broken_off(error) from None
    if finished:
        _tidy([item for name, item in objects.items() if name.startswith(f"{WORK}/")], base)
        shutil.rmtree(folder)


def _is_there(path: Path, objects: Objects) -> bool:
    return path.name in objects and objects[path.name].crc32c == crc32c(path)


def _tidy(items: list[gcs.GcsObject], base: str) -> None:
    """Remove what only an unfinished run needs; all is done even where that is forbidden."""
    try:
        for item in items:
            gcs.delete(item)
    except OSError as error:
        print(f"warning: {base}/{WORK}/ is needed no more, and stays: {error.strerror}", file=sys.stderr)


def _check_free(uri: str, objects: Objects) -> None:
    if f"{WORK}/{PLAN}" in objects:
        msg = f"{uri!r} holds an unfinished run. Continue it with --resume, or choose another --output"
        raise UnusableError(msg)
    if any(name == MANIFEST or name.startswith("prediction.") for name in objects):
        msg = f"{uri!r} already holds predictions. Choose another --output, or continue them with --resume"
        raise UnusableError(msg)


def _wipe(folder: Path) -> None:
    clear(folder / WORK)
    for path in [folder / MANIFEST, *folder.glob("prediction.*")]:
        path.unlink(missing_ok=True)


def _restore(folder: Path, objects: Objects) -> None:
    """Make the folder what the run has left, here and there; what is here of another run goes."""
    manifest = _content(objects, MANIFEST)
    if manifest and manifest["state"] == State.FINISHED:
        _wipe(folder)
        write_json(folder / MANIFEST, manifest)
        return
    plan = _content(objects, f"{WORK}/{PLAN}") or (manifest or {}).get("plan")
    if not plan and (other := next((name for name in objects if name.startswith("prediction.")), None)):
        msg = f"There is {other!r}, and no run that could go on. Choose another --output"
        raise UnusableError(msg)
    if plan and plan != _held_plan(folder):
        _wipe(folder)
        write_json(folder / WORK / PLAN, plan)
    for name, item in objects.items():
        if plan and name.startswith(f"{WORK}/") and name.endswith(".delivered"):
            _fetch(folder / WORK, item, objects)
    for place in (folder / WORK).glob("*.delivered"):
        _check_there(folder / WORK, int(place.stem), objects)


def _content(objects: Objects, name: str) -> dict[str, Any] | None:
    return msgspec.json.decode(objects[name].read()) if name in objects else None


def _held_plan(folder: Path) -> Any:
    for path in (folder / WORK / PLAN, folder / MANIFEST):
        with suppress(FileNotFoundError, msgspec.DecodeError):
            held = msgspec.json.decode(path.read_bytes())
            return held.get("plan", held)
    return None


def _fetch(work: Path, item: gcs.GcsObject, objects: Objects) -> None:
    """Bring a shard's record here, with what else of it a run needs: its journal's end, and its keys."""
    number = int(Path(item.name).stem)
    files, place = shard_files(work, number), delivered_file(work, number)
    if place.exists():
        return
    content = item.read()
    files.journal.write_bytes(msgspec.json.encode(msgspec.json.decode(content, type=Delivered).entry) + b"\n")
    gcs.download(objects[f"{WORK}/{files.notes.name}"], files.notes)
    place.write_bytes(content)


def _check_there(work: Path, number: int, objects: Objects) -> None:
    """Forget a shard whose objects are not those of its record: it is made again."""
    record = delivered(work, number)
    sums = {name: item.crc32c for name, item in objects.items()}
    if record is None or any(sums.get(name) != crc for name, crc in record.crc32c.items()):
        for path in (delivered_file(work, number), *shard_files(work, number)):
            path.unlink(missing_ok=True)
