"""One shard of a pipeline: byte ranges in, a file of results out, a file of errors beside it, and a record of both."""

import gc
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import apache_beam as beam
import msgspec
from apache_beam.utils.shared import Shared

from model.batch_predict.blocks import Block
from model.batch_predict.kernel import Kernel, predict_group
from model.batch_predict.key_notes import notes_of
from model.batch_predict.listed_files import MARK_BITS
from model.batch_predict.memory import keep_freed_memory
from model.batch_predict.plan import Range
from model.batch_predict.readers import read_instances
from model.batch_predict.shard import Counts
from model.beam_predict.files import is_remote, read, whole
from model.beam_predict.threshold import check_failures, note_failures
from model.beam_predict.work import RangeDone, ShardDone, Work
from model.instances import instance_decoder
from model.model_cache import fetched
from model.predictions import prediction_encoder
from model.runner import Runner, load


@dataclass(frozen=True)
class Loaded:
    """What a worker process loads once, for all its threads and shards."""

    kernel: Kernel
    runner: Runner


class PredictShard(beam.DoFn):  # type: ignore[misc]
    """Shard numbers -> what became of the shards. A shard that is done is not done again, whoever asks."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.shared = Shared()

    def setup(self) -> None:
        """Load the model, once a process."""
        self.loaded: Loaded = self.shared.acquire(self._load)

    def process(self, number: int) -> Iterator[ShardDone]:
        """Yield the record of a shard."""
        kept = read(self.work.unfinished(number, "json"))
        if kept:
            yield msgspec.json.decode(kept, type=ShardDone)
            return
        check_failures(self.work)
        done = predict_shard(self.work, self.loaded, number)
        note_failures(self.work, done)
        yield done

    def _load(self) -> Loaded:
        keep_freed_memory()
        return load_model(self.work)


def load_model(work: Work) -> Loaded:
    """Load the model, and make what decodes and encodes."""
    decode, encode = instance_decoder(work.signature), prediction_encoder(work.signature)
    runner = load(_folder(work.saved_model), work.signature, work.settings.runner)
    return Loaded(Kernel(work.settings, work.files, work.headers, decode, encode), runner)


def _folder(saved_model: str) -> Path:
    return fetched(saved_model) if is_remote(saved_model) else Path(saved_model)


def predict_shard(work: Work, loaded: Loaded, number: int) -> ShardDone:
    """Write a shard's files, and then the record that vouches for them."""
    gc.disable()  # rows have no cycles, and looking for some takes a third of the time
    try:
        done = _whole_shard(work, loaded, number, {})
    finally:
        gc.enable()
    with whole(work.unfinished(number, "json")) as record:
        record.write(msgspec.json.encode(done))
    return done


def _whole_shard(work: Work, loaded: Loaded, number: int, void: dict[int, Block]) -> ShardDone:
    """Write a shard's files, once more without the ranges that turn out to be `void`."""
    try:
        with (
            whole(work.results(number)) as results,
            whole(work.unfinished(number, "errors")) as errors,
            whole(work.unfinished(number, "keys")) as keys,
        ):
            return _write_shard(work, loaded, number, (_Digested(results), _Digested(errors), keys), void)
    except _VoidError as found:
        return _whole_shard(work, loaded, number, {**void, found.place: found.block})


class _VoidError(Exception):
    """What was written of a range does not hold; a file that may be remote takes nothing back."""

    def __init__(self, place: int, block: Block) -> None:
        super().__init__(place)
        self.place, self.block = place, block


def _write_shard(
    work: Work, loaded: Loaded, number: int, files: tuple["_Digested", "_Digested", BinaryIO], void: dict[int, Block]
) -> ShardDone:
    results, errors, keys = files
    counts, ranges, blocks, marks = Counts(), [], 0, 0
    for place, part in enumerate(work.shards[number]):
        lines, size = 0, errors.size
        known = [void[place]] if place in void else None
        for block in known or read_instances(work.files[part.file], part, None, work.headers):
            if block.voids and not known:
                raise _VoidError(place, block)
            pending = loaded.kernel.pending(part, place, block)
            answers = [predict_group(loaded.runner, group, work.plan.batch_size) for group in pending.decoded.groups]
            records = loaded.kernel.records(pending, answers, f"{number} {blocks}", _from_the_range)
            results.write(records.results)
            errors.write(records.errors)
            keys.write(notes_of(pending, work.signature))
            counts.add(records.counts)
            lines, blocks, marks = block.first_line + len(block.lines), blocks + 1, marks + block.marks
        ranges.append(RangeDone(part.number, lines, errors.size - size))
    made = (number, results.sha256, errors.sha256, counts, ranges, loaded.runner.name, loaded.runner.fallback)
    return ShardDone(*made, marks & MARK_BITS)


def _from_the_range(_: Range) -> int:
    """Number lines from their range's start: how many lie before it is known when all ranges are read."""
    return 0


class _Digested:
    """A file that is written and digested at once."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._write: Callable[[bytes], int] = file.write
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
