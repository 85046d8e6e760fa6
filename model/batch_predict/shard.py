"""One shard on disk: results, errors, and a journal that says after every block how far both are whole."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

NUMBERS = ("lines", "blank", "instances", "predicted", "failed")


class Counts(msgspec.Struct):
    """What became of lines: instances are counted when read, predicted and failed when written."""

    lines: int = 0
    blank: int = 0
    instances: int = 0
    predicted: int = 0
    failed: int = 0
    codes: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add another's counts to these."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.codes = dict(Counter(self.codes) + Counter(other.codes))

    def since(self, other: "Counts") -> "Counts":
        """Return what to add to another's counts to come to these: less than nothing where rows were taken back."""
        codes = {code: self.codes.get(code, 0) - other.codes.get(code, 0) for code in {**self.codes, **other.codes}}
        return Counts(**{name: getattr(self, name) - getattr(other, name) for name in NUMBERS}, codes=codes)


class Entry(msgspec.Struct):
    """A line of the journal: what is whole after a block, counted from the shard's start."""

    part: int = 0  # position of the range in the shard's plan
    offset: int = -1  # where the range goes on; -1 is its start
    range_lines: int = 0
    blocks: int = 0
    read: int = 0  # bytes of input
    results: int = 0  # bytes
    errors: int = 0
    notes: int = 0  # bytes
    marks: int = 0  # of the files that lists named
    results_sha256: str = hashlib.sha256().hexdigest()
    errors_sha256: str = hashlib.sha256().hexdigest()
    counts: Counts = msgspec.field(default_factory=Counts)

    def before(self, part: int) -> bool:
        """Tell whether nothing of a range has been read yet."""
        return self.part < part or (self.part == part and self.offset < 0)


class ShardFiles(NamedTuple):
    """Where a shard lies while it is written."""

    results: Path
    errors: Path
    journal: Path
    notes: Path  # of the instances' keys


def shard_files(folder: Path, number: int) -> ShardFiles:
    """Return a shard's files in the run's work folder."""
    return ShardFiles(*(folder / f"{number:05d}.{kind}" for kind in ("results", "errors", "journal", "keys")))


class Delivered(msgspec.Struct, frozen=True):
    """The record of a shard that lies on gs://, and no longer here."""

    entry: Entry
    sha256: str  # of the results, in their final format
    crc32c: dict[str, str]  # of its objects, by name


def delivered_file(folder: Path, number: int) -> Path:
    """Return where a shard's record lies in the run's work folder, once the shard is on gs://."""
    return folder / f"{number:05d}.delivered"


def delivered(folder: Path, number: int) -> Delivered | None:
    """Return the record of a shard that is on gs://, None for any other."""
    path = delivered_file(folder, number)
    return msgspec.json.decode(path.read_bytes(), type=Delivered) if path.exists() else None


@dataclass
class Shard:
    """An open shard. `entry` is its last whole state."""

    results: BinaryIO
    errors: BinaryIO
    journal: BinaryIO
    notes: BinaryIO
    entry: Entry
    _results_hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _errors_hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def append(self, results: bytes, errors: bytes, entry: Entry, notes: bytes = b"") -> None:
        """Write a block and then its journal entry; what a kill leaves behind without an entry is cut off on resume."""
        self.results.write(results)
        self.errors.write(errors)
        self.notes.write(notes)
        entry.notes = self.entry.notes + len(notes)
        self._results_hash.update(results)
        self._errors_hash.update(errors)
        entry.results, entry.errors = self.entry.results + len(results), self.entry.errors + len(errors)
        entry.results_sha256, entry.errors_sha256 = self._results_hash.hexdigest(), self._errors_hash.hexdigest()
        for file in (self.results, self.errors, self.notes):
            file.flush()
        _start_writing(self.results, self.entry.results, entry.results)
        _start_writing(self.errors, self.entry.errors, entry.errors)
        self.journal.write(msgspec.json.encode(entry) + b"\n")
        self.journal.flush()
        self.entry = entry

    def restore(self) -> None:
        """Stand where the journal ends, as far as it is true, and cut off what no entry vouches for."""
        self.entry, self._results_hash, self._errors_hash = Entry(), hashlib.sha256(), hashlib.sha256()
        for file in (self.results, self.errors, self.journal):
            file.seek(0)
        whole = 0
        for line in self.journal.readlines():
            entry = _parsed(line)
            if entry is None or not _vouched(self, entry):
                break
            self.entry, whole = entry, whole + len(line)
        ends = {self.results: self.entry.results, self.errors: self.entry.errors, self.notes: self.entry.notes}
        for file, end in {**ends, self.journal: whole}.items():
            file.truncate(end)
            file.seek(end)

    def take_back(self, part: int) -> None:
        """Undo what was written of a range, the journal first: what a kill leaves then has no entry."""
        self.journal.seek(0)
        before = [line for line in self.journal if (entry := _parsed(line)) and entry.before(part)]
        self.journal.truncate(sum(map(len, before)))
        self.restore()

    def close(self) -> None:
        """Bring what is to be published to the disk; a kill leaves the rest whole, and a resumed run checks it."""
        for file in (self.results, self.errors):
            if file.tell():
                os.fsync(file.fileno())
        for file in (self.results, self.errors, self.journal, self.notes):
            file.close()


def _start_writing(file: BinaryIO, start: int, end: int) -> None:
    """Have a part of a file written to the disk meanwhile, for the sync in the end to wait for little (Linux)."""
    if end > start and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)


def open_shard(files: ShardFiles) -> Shard:
    """Open a shard where its journal ends, and cut off what no entry vouches for."""
    for path in files:
        path.touch()
    results, errors, journal, notes = (path.open("r+b") for path in files)
    shard = Shard(results, errors, journal, notes, Entry())
    shard.restore()
    return shard


def last_entry(files: ShardFiles) -> Entry:
    """Return a shard's last whole state, as its journal has it."""
    entry = Entry()
    for line in files.journal.read_bytes().splitlines(keepends=True) if files.journal.exists() else []:
        entry = _parsed(line) or entry
    return entry


def _parsed(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry) if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None


def _vouched(shard: Shard, entry: Entry) -> bool:
    """Whether the files hold what the entry says, read on from where the entry before it ended."""
    results = shard._results_hash.copy()
    errors = shard._errors_hash.copy()
    results.update(shard.results.read(entry.results - shard.entry.results))
    errors.update(shard.errors.read(entry.errors - shard.entry.errors))
    if (results.hexdigest(), errors.hexdigest()) != (entry.results_sha256, entry.errors_sha256):
        return False
    shard._results_hash, shard._errors_hash = results, errors
    return True
