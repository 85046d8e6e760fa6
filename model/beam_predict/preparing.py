"""Settings -> the work of a run: inputs found, model read, plan made and kept, an unfinished run found again."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from model.batch_predict.folder import MANIFEST
from model.batch_predict.formats import Format
from model.batch_predict.identity import Plan, complete_plan, new_plan
from model.batch_predict.inputs import InputFile, find_inputs
from model.batch_predict.listed_files import digest_listed
from model.batch_predict.options import processors
from model.batch_predict.readers import read_headers
from model.batch_predict.scan import digest_folder, scan_files
from model.batch_predict.settings import Settings, State, UnusableError
from model.batch_predict.transforms import fitting
from model.beam_predict.files import is_remote, names_in, read, whole
from model.beam_predict.work import PLAN, WORK, Work, shard_count
from model.signature import read_signature

ONE_PROCESS = 512 << 20  # bytes of input that are sooner predicted than Beam starts a second process


def prepare(settings: Settings, saved_model: str, output: str, runner: str) -> Work:
    """Return the work of a run.

    Raises:
        UnusableError, UnusableModelError: the run cannot start.
    """
    signature = read_signature(settings.saved_model, settings.signature)
    files = find_inputs(settings.patterns, kind=settings.instances_format)
    headers = read_headers(files, signature, settings.csv_rows, settings.config.key_field)
    size = sum(file.size for file in files)
    workers = settings.workers or (processors() if size > ONE_PROCESS else 1)
    settings = replace(settings, workers=workers, config=fitting(settings.config, signature))
    plan = new_plan(settings, files, signature, shard_count(size, settings.workers))
    inputs = [msgspec.structs.replace(record, **_known(file)) for record, file in zip(plan.inputs, files, strict=True)]
    plan = msgspec.structs.replace(plan, inputs=inputs, model=digest_folder(settings.saved_model))
    return Work(saved_model, output, signature, settings, files, headers, plan, time.time(), runner)


def _known(file: InputFile) -> dict[str, str]:
    """Return what tells a file from another of its name before it is read; the manifest has its digest instead."""
    unread = f"changed at {file.stamp[2]}" if file.stamp else ""
    listed = file.format is Format.FILE_LIST and not is_remote(file.name)
    return {"sha256": file.digest or unread, "contents": digest_listed(file).digest if listed else ""}


def finished(work: Work) -> dict[str, Any] | None:
    """Return the manifest of a run that is to be gone on with, and is done.

    Raises:
        UnusableError: it was another run.
    """
    content = read(work.manifest) if work.settings.resume else None
    manifest: dict[str, Any] = msgspec.json.decode(content) if content else {}
    if manifest.get("state") != State.FINISHED:
        return None
    plan = complete_plan(work.plan, scan_files(work.files, [], None), work.settings.saved_model)
    _check_same(work, plan, msgspec.convert(manifest["plan"], Plan))
    return manifest


def claim(work: Work) -> None:
    """Make the output folder this run's, or find that it is.

    Raises:
        UnusableError: it holds predictions, or another run's.
    """
    if read(work.place(MANIFEST)) or (not work.settings.resume and _holds_predictions(work.output)):
        msg = f"{work.output!r} already holds predictions. Choose another --output, or go on with --resume"
        raise UnusableError(msg)
    kept = read(work.place(WORK, PLAN))
    if kept and not work.settings.resume:
        msg = f"{work.output!r} holds an unfinished run. Continue it with --resume, or choose another --output"
        raise UnusableError(msg)
    if kept:
        _check_same(work, work.plan, msgspec.json.decode(kept, type=Plan))
        return
    if not is_remote(work.output):
        Path(work.place(WORK)).mkdir(parents=True, exist_ok=True)
    with whole(work.place(WORK, PLAN)) as file:
        file.write(msgspec.json.encode(work.plan))


def _check_same(work: Work, plan: Plan, stored: Plan) -> None:
    names = Plan.__struct_fields__
    differing = [name for name in names if getattr(plan, name) != getattr(stored, name)]
    if differing:
        was = ", ".join(name.replace("_", "-") for name in differing)
        msg = f"{work.output!r} belongs to a run with other {was}. Choose another --output"
        raise UnusableError(msg)


def _holds_predictions(output: str) -> bool:
    return any(name.startswith("prediction.") for name in names_in(output))
