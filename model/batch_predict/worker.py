"""A worker process: reads, checks and writes whole shards; only the arrays travel to the process that predicts."""

import errno
import gc
import signal
import time
from collections import deque
from collections.abc import Iterator
from ctypes import Array, c_bool, c_int64
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model.batch_predict.blocks import Position
from model.batch_predict.inputs import InputFile
from model.batch_predict.kernel import Kernel, Pending
from model.batch_predict.key_notes import notes_of
from model.batch_predict.listed_files import MARK_BITS
from model.batch_predict.memory import keep_freed_memory
from model.batch_predict.messages import BrokenOff, Done, Inputs, Message, NextShard, Predictions
from model.batch_predict.plan import Range, Shards
from model.batch_predict.readers import Headers, read_instances
from model.batch_predict.scan import LOST
from model.batch_predict.settings import Settings
from model.batch_predict.shard import Counts, Entry, Shard, open_shard, shard_files
from model.instances import instance_decoder
from model.lifetime import die_with
from model.predictions import prediction_encoder
from model.signature import Signature

AHEAD = 8  # blocks that are read while the model is loaded, or slow: about 5 MB each


@dataclass(frozen=True)
class Job:
    """What every worker of a run knows.

    `lines_before` each range in its file is shared, -1 until it is known; `lines_wanted` says whose somebody waits for.
    """

    settings: Settings
    signature: Signature
    files: list[InputFile]
    plan: Shards
    folder: Path
    lines_before: "Array[c_int64]"
    lines_wanted: "Array[c_bool]"
    parent: int
    headers: Headers


@dataclass(frozen=True)
class Worker:
    """A job, the connection to the main process, and what decodes and encodes."""

    job: Job
    connection: Connection
    kernel: Kernel

    def run(self) -> None:
        """Do shards until the main process has none left."""
        whole = None
        while (number := self._ask(NextShard(whole))) is not None:
            shard = open_shard(shard_files(self.job.folder, number))
            whole = number if self._fill(number, shard) else None
            shard.close()

    def _ask(self, message: Message) -> Any:
        self.connection.send(message)
        return self.connection.recv()

    def _fill(self, number: int, shard: Shard) -> bool:
        """Write a shard; while the model has one block, the block before it is written and those behind it are read.

        Return whether it was written to its end.
        """
        waiting: tuple[Pending, Predictions] | None = None
        blocks, ahead = self._read(self.job.plan[number], shard.entry), deque[Pending]()
        while pending := ahead.popleft() if ahead else next(blocks, None):
            self.connection.send(Inputs(pending.decoded.groups))
            if waiting:
                self._write(number, shard, *waiting)
            while len(ahead) < AHEAD and not self.connection.poll() and (following := next(blocks, None)):
                ahead.append(following)
            answer = self.connection.recv()
            waiting = (pending, answer)
            if answer.stop:
                break
        if waiting:
            self._write(number, shard, *waiting)
        return not (waiting and waiting[1].stop)

    def _read(self, parts: list[Range], since: Entry) -> Iterator[Pending]:
        for place in range(since.part, len(parts)):
            resumed = place == since.part and since.offset >= 0
            position = Position(since.offset, since.range_lines) if resumed else None
            file = self.job.files[parts[place].file]
            for block in read_instances(file, parts[place], position, self.job.headers):
                yield self.kernel.pending(parts[place], place, block)

    def _write(self, number: int, shard: Shard, pending: Pending, answer: Predictions) -> None:
        block, before = pending.block, shard.entry
        if block.voids:
            shard.take_back(pending.place)
        records = self.kernel.records(pending, answer.groups, f"{number} {shard.entry.blocks}", self._lines_before)
        entry = _entry_behind(pending, shard.entry, records.counts)
        shard.append(records.results, records.errors, entry, notes_of(pending, self.job.signature))
        name, counts = self.job.files[pending.part.file].name, entry.counts.since(before.counts)
        self.connection.send(Done(counts, entry.read - before.read, name, records.failed_lines))

    def _lines_before(self, part: Range) -> int:
        if not part.start:
            return 0
        self.job.lines_wanted[part.number] = True
        while (lines := self.job.lines_before[part.number]) < 0:
            if lines == LOST:
                raise OSError(errno.EIO, "Cannot be read", self.job.files[part.file].name)
            time.sleep(0.005)  # the scan reads ten times as fast as anything is parsed
        return lines


def _entry_behind(pending: Pending, before: Entry, added: Counts) -> Entry:
    """Return how far a shard is when a block is written: at the next range, where nothing follows in this one."""
    counts, block = Counts(), pending.block
    counts.add(before.counts)
    counts.add(added)
    lines = block.first_line + len(block.lines)
    position = (pending.place + 1, -1, 0) if block.ends else (pending.place, block.end, lines)
    marks = (before.marks + block.marks) & MARK_BITS
    return Entry(*position, before.blocks + 1, before.read + block.size, marks=marks, counts=counts)


def work(job: Job, connection: Connection) -> None:
    """Be a worker process, until the main process has no shard left or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides when a run ends
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with(job.parent)
    keep_freed_memory()
    gc.disable()  # rows have no cycles, and looking for some among millions of them takes a third of the time
    decode, encode = instance_decoder(job.signature), prediction_encoder(job.signature)
    kernel = Kernel(job.settings, job.files, job.headers, decode, encode)
    worker = Worker(job, connection, kernel)
    try:
        worker.run()
    except (EOFError, ConnectionError):  # the main process is gone, or has no more to say
        return
    except OSError as error:
        connection.send(
            BrokenOff(f"{error.strerror or error}" + (f": {str(error.filename)!r}" if error.filename else ""))
        )
    except MemoryError:
        connection.send(BrokenOff("A worker process has no memory left: fewer --workers need less"))
