"""Finished shards -> their place on gs://, while the run goes on: what is there whole needs no room here any more.

A shard's objects come first, then its keys, then its record, which vouches for them by their checksums. With the plan
beside the records any machine can go on; a shard without a record is made again, and gives the same bytes.
"""

from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock, Semaphore

import google_crc32c
import msgspec

from model import gcs
from model.batch_predict.folder import MANIFEST, PLAN, WORK, Folder, shard_names, stats_name, write_json
from model.batch_predict.identity import Plan
from model.batch_predict.parity import stats_of
from model.batch_predict.settings import Settings, broken_off
from model.batch_predict.shard import Delivered, delivered_file, last_entry, shard_files
from model.batch_predict.tables import Table, TableFormat
from model.files import sha256

TRANSFERS = 4  # shards on their way at a time; those behind them wait, and with them the workers


class Delivery:
    """Brings shards to an address; `there` are the checksums of what lies there, `fail` is told what goes wrong."""

    def __init__(self, folder: Folder, settings: Settings, table: Table, there: dict[str, str]) -> None:
        self._folder, self._table, self._there = folder, table, there
        self._base, self._parity = settings.address.rstrip("/"), settings.parity
        self._lock, self._begun = Lock(), False
        self._room, self._pool = Semaphore(TRANSFERS), ThreadPoolExecutor(TRANSFERS)
        self.fail: Callable[[Exception], None] = _raise
        self.planned = Event()  # the digests of all inputs are known, or never will be
        if folder.plan.complete:
            self.planned.set()

    def start(self, number: int) -> None:
        """Begin to bring a shard there once there is room; before the inputs' digests are known, it waits on disk."""
        limited = self.planned.is_set() and self._room.acquire()
        self._pool.submit(self._attempt, number, limited)

    def finish(self) -> None:
        """Wait until all are there, or given up."""
        self._pool.shutdown()

    def withdraw(self) -> None:
        """Take away all that this run has brought there, the plan first: nobody may go on with it.

        Raises:
            BrokenOffError: that cannot be done now.
        """
        shards = self._folder.plan.shards
        pairs = [shard_names(number, shards, self._table.kind) for number in range(shards)]
        made = {name for pair in pairs for name in (*pair, stats_name(pair[1]))}
        try:
            there = {item.uri.removeprefix(f"{self._base}/"): item for item in gcs.under(f"{self._base}/")}
            for name in sorted(there, key=lambda name: name != f"{WORK}/{PLAN}"):
                if name in made or name.startswith(f"{WORK}/"):
                    gcs.delete(there[name])
        except OSError as error:
            raise broken_off(error) from None

    def _attempt(self, number: int, limited: bool) -> None:
        try:
            self.planned.wait()
            if self._begin():
                self._deliver(number)
        except OSError as error:
            self.fail(broken_off(error))
        except Exception as error:  # noqa: BLE001 - raised again by the main thread
            self.fail(error)
        finally:
            if limited:
                self._room.release()

    def _begin(self) -> bool:
        """Say there whose shards these are, and take away an older manifest; False where the inputs are not known."""
        with self._lock:
            path = self._folder.work / PLAN
            if self._begun or not msgspec.json.decode(path.read_bytes(), type=Plan).complete:
                return self._begun
            if MANIFEST in self._there:
                gcs.delete(gcs.stat(f"{self._base}/{MANIFEST}"))
            if f"{WORK}/{PLAN}" not in self._there:
                gcs.upload(path, f"{self._base}/{WORK}/{PLAN}", new=True)
            self._begun = True
            return True

    def _deliver(self, number: int) -> None:
        files = shard_files(self._folder.work, number)
        objects = self._objects(number)
        entry, results = last_entry(files), next(iter(objects.values()))
        digest = entry.results_sha256 if results == files.results else sha256(results)
        record = Delivered(entry, digest, {name: self._send(path, name) for name, path in objects.items()})
        self._send(files.notes, f"{WORK}/{files.notes.name}")
        self._record(number, record)
        for path in {files.results, files.errors, *objects.values()}:
            path.unlink()

    def _objects(self, number: int) -> dict[str, Path]:
        """Return a shard's files by their final names: results, errors, and what a service would say of these."""
        files, made = shard_files(self._folder.work, number), self._folder.work / f"{number:05d}"
        results, errors = shard_names(number, self._folder.plan.shards, self._table.kind)
        objects = {results: files.results, errors: files.errors}
        if self._table.kind is not TableFormat.JSONL:
            objects[results] = made.with_suffix(".table")
            self._table.write(files.results, objects[results])
        if self._parity:
            stats = objects[stats_name(errors)] = made.with_suffix(".stats")
            stats.write_text(stats_of(files.errors))
        return objects

    def _send(self, path: Path, name: str) -> str:
        """Bring a file there, unless it is there, and return its checksum."""
        checksum = crc32c(path)
        if self._there.get(name) != checksum:
            gcs.upload(path, f"{self._base}/{name}")
        return checksum

    def _record(self, number: int, record: Delivered) -> None:
        """Vouch for a shard, there and then here."""
        place = delivered_file(self._folder.work, number)
        waiting = place.with_suffix(".record")
        write_json(waiting, msgspec.to_builtins(record))
        gcs.upload(waiting, f"{self._base}/{WORK}/{place.name}")
        waiting.replace(place)


def crc32c(path: Path) -> str:
    """Return a file's checksum as Cloud Storage writes it."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = google_crc32c.extend(crc, chunk)
    return b64encode(crc.to_bytes(4, "big")).decode()


def _raise(error: Exception) -> None:
    raise error
