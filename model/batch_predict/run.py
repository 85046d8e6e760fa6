"""A whole run: workers start, the model is loaded beside them, each worker is served until no shard is left."""

import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ctypes import c_bool, c_int64
from dataclasses import replace
from functools import partial
from multiprocessing.sharedctypes import RawArray
from typing import Any, NoReturn

import msgspec

from model.batch_predict.delivery import Delivery
from model.batch_predict.folder import PLAN, Folder, open_folder, publish, write_json
from model.batch_predict.formats import Format
from model.batch_predict.identity import complete_plan
from model.batch_predict.inputs import InputFile, changed_input, find_inputs
from model.batch_predict.manifest import duplicate_facts, make_manifest, not_attempted
from model.batch_predict.parity import write_stats
from model.batch_predict.plan import plan_shards, shard_count
from model.batch_predict.readers import read_headers
from model.batch_predict.remote_output import take_over
from model.batch_predict.scan import LOST, Scan, changed_lists, count_wanted, scan_files
from model.batch_predict.service import Service, end_workers, serve, start_workers
from model.batch_predict.settings import BrokenOffError, Settings, State, broken_off
from model.batch_predict.shard import Entry, delivered, last_entry, open_shard, shard_files
from model.batch_predict.tables import Table
from model.batch_predict.totals import Totals
from model.batch_predict.transforms import fitting
from model.batch_predict.worker import Job
from model.lifetime import die_with
from model.signature import UnusableModelError, read_signature


def run(settings: Settings, watches: Sequence[Callable[[Totals], None]]) -> dict[str, Any]:
    """Predict everything and return the manifest; each watch is called a few times a second.

    Raises:
        UnusableError, UnusableModelError: the run could not start.
        BrokenOffError: it ended in the middle and can be resumed.
    """
    started = time.monotonic()
    signature = read_signature(settings.saved_model, settings.signature)
    settings = replace(settings, config=fitting(settings.config, signature))
    files = find_inputs(settings.patterns, settings.roots, settings.instances_format, settings.listed)
    headers = read_headers(files, signature, settings.csv_rows, settings.config.key_field)
    there: dict[str, str] = {}
    count = shard_count(files, settings.workers, remote=bool(settings.address))
    restore = partial(take_over, settings, there) if settings.address else None
    folder = open_folder(settings, files, signature, count, restore)
    if folder.finished is not None:
        return _told(settings, folder, folder.finished)
    plan = plan_shards(files, folder.plan.shards, folder.plan.seed, coarse=bool(settings.parity))  # batches stay whole
    ranges = max(1, sum(map(len, plan)))
    lines = RawArray(c_int64, [-1] * ranges), RawArray(c_bool, ranges)
    job = Job(settings, signature, files, plan, folder.work, *lines, os.getpid(), headers)
    table = Table(signature, settings.predictions_format, _heads(settings, files))
    delivery = Delivery(folder, settings, table, there) if settings.address else None
    try:
        manifest = _predict_all(job, folder, watches, started, delivery)
    except UnusableModelError:
        if folder.fresh:
            shutil.rmtree(folder.work, ignore_errors=True)
        raise
    publish(folder, manifest, table)
    return _told(settings, folder, manifest)


def _heads(settings: Settings, files: Sequence[InputFile]) -> tuple[str, ...]:
    """Return what results say before the prediction."""
    if settings.config.key_field:
        return ("key",)
    named = settings.with_instance or any(file.format is Format.FILE_LIST for file in files)
    return ("instance", *settings.config.excluded) if named else ()


def _told(settings: Settings, folder: Folder, manifest: dict[str, Any]) -> dict[str, Any]:
    if settings.parity:
        write_stats(settings.output, folder.plan.shards)
    return manifest


def _predict_all(
    job: Job, folder: Folder, watches: Sequence[Callable[[Totals], None]], started: float, delivery: Delivery | None
) -> dict[str, Any]:
    """Write the shards and return the manifest that vouches for them."""
    settings = job.settings
    totals = _totals(settings, job.files, folder)
    if delivery:
        delivery.fail = totals.fail
    workers = start_workers(job, min(settings.workers, len(job.plan)))
    if settings.parent is not None:
        die_with(settings.parent)
    ended = threading.Event()
    scan: Future[Scan] = _in_background(lambda: _scan(job, folder, settings, ended, delivery))
    service = Service(Future(), totals, queue.SimpleQueue(), folder.plan.batch_size, delivery)
    try:
        runner = serve(service, job, workers, watches)
    finally:
        end_workers(workers)
        ended.set()
        if delivery:
            delivery.finish()
    _check_inputs(job.files, folder, delivery)
    _raise_error(totals)
    found = scan.result()
    entries = [last_entry(shard_files(folder.work, number)) for number in range(len(job.plan))]
    marks = [entry.marks for entry in entries]
    if totals.state is State.FINISHED and (lists := changed_lists(job.files, found, marks)):
        _give_up(folder, delivery, f"A file that {lists} names changed while it was read")
    left = not_attempted(job, entries)
    facts = {
        **duplicate_facts(job),
        "runner": runner.name,
        "fallback": runner.fallback,
        "workers": settings.workers,
        "seconds": round(time.monotonic() - started, 3),
    }
    return make_manifest(job, folder, found, totals, left, facts)


def _check_inputs(files: Sequence[InputFile], folder: Folder, delivery: Delivery | None) -> None:
    """See that all was read of the same files."""
    if name := changed_input(files):
        _give_up(folder, delivery, f"Input {name!r} changed while it was read")


def _give_up(folder: Folder, delivery: Delivery | None, reason: str) -> NoReturn:
    """Keep no block where nobody knows what they were made of."""
    (folder.work / PLAN).unlink(missing_ok=True)
    if delivery:
        delivery.withdraw()
    msg = f"{reason}: all of it is predicted again"
    raise BrokenOffError(msg)


def _raise_error(totals: Totals) -> None:
    if isinstance(totals.error, MemoryError):
        msg = "The process that predicts has no memory left"
        raise BrokenOffError(msg)
    if totals.error:
        raise totals.error


def _totals(settings: Settings, files: Sequence[InputFile], folder: Folder) -> Totals:
    totals = Totals(sum(file.size for file in files), settings.max_errors)
    for number in range(0 if folder.fresh else folder.plan.shards):
        entry = _kept(folder, number)
        totals.counts.add(entry.counts)
        totals.read_bytes += entry.read
    return totals


def _kept(folder: Folder, number: int) -> Entry:
    """Return how far a shard is; what no entry vouches for must not be counted."""
    if record := delivered(folder.work, number):
        return record.entry
    shard = open_shard(shard_files(folder.work, number))
    shard.close()
    return shard.entry


def _in_background(function: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def _scan(job: Job, folder: Folder, settings: Settings, ended: threading.Event, delivery: Delivery | None) -> Scan:
    ranges = [part for shard in job.plan for part in shard]
    try:
        scan = scan_files(job.files, ranges, job.lines_before)
        if not folder.plan.complete:
            plan = complete_plan(folder.plan, scan, settings.saved_model)
            write_json(folder.work / PLAN, msgspec.to_builtins(plan))
        if delivery:
            delivery.planned.set()
        count_wanted(job.files, ranges, job.lines_before, job.lines_wanted, ended)
    except OSError as error:
        job.lines_before[:] = [LOST if lines < 0 else lines for lines in job.lines_before]  # nobody waits for them
        raise broken_off(error) from None
    finally:
        if delivery:
            delivery.planned.set()
    return scan
