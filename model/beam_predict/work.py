"""What every worker of a pipeline knows: inputs, model, settings, and where everything lies. It travels pickled."""

from dataclasses import dataclass
from functools import cached_property

import msgspec

from model.batch_predict.folder import MANIFEST, shard_names
from model.batch_predict.identity import Plan
from model.batch_predict.inputs import InputFile
from model.batch_predict.plan import Shards, plan_shards
from model.batch_predict.readers import Headers
from model.batch_predict.settings import Settings
from model.batch_predict.shard import Counts
from model.beam_predict.files import join
from model.signature import Signature

WORK = ".beam_predict"
PLAN = "plan.json"
DUPLICATES = "duplicates.json"  # in it: why a run that is to refuse duplicate keys has no manifest
SMALLEST_SHARD = 4 << 20  # bytes of input: a shard is a work item of a second or so
LARGEST_SHARD = 128 << 20
SHARDS_PER_WORKER = 4  # so that workers of unequal speed end together


class RangeDone(msgspec.Struct, frozen=True):
    """What a range of a shard came to: its lines, and how many bytes of the shard's errors are its."""

    number: int
    lines: int
    errors: int


class ShardDone(msgspec.Struct, frozen=True):
    """A finished shard; its errors are numbered from their range's first line until all ranges are counted."""

    number: int
    results_sha256: str
    errors_sha256: str
    counts: Counts
    ranges: list[RangeDone]
    tensorflow: str  # which of its interfaces predicted: c or python
    fallback: str = ""  # why it was python
    marks: int = 0  # of the files that lists named


@dataclass(frozen=True)
class Work:
    """One run. `plan` is complete but for the digests of the inputs."""

    saved_model: str
    output: str
    signature: Signature
    settings: Settings
    files: list[InputFile]
    headers: Headers
    plan: Plan
    started: float  # seconds since the epoch
    runner: str  # Beam's

    @cached_property
    def shards(self) -> Shards:
        """The ranges of every shard."""
        return plan_shards(self.files, self.plan.shards, self.plan.seed)

    def place(self, *names: str) -> str:
        """Return where something lies in the output folder."""
        return join(self.output, *names)

    @property
    def manifest(self) -> str:
        """Where the manifest comes to lie."""
        return self.place(MANIFEST)

    def results(self, number: int) -> str:
        """Where a shard's results come to lie."""
        return self.place(shard_names(number, self.plan.shards)[0])

    def errors(self, number: int) -> str:
        """Where a shard's errors come to lie."""
        return self.place(shard_names(number, self.plan.shards)[1])

    def unfinished(self, number: int, kind: str) -> str:
        """Where a shard's record (`json`), errors and keys lie until the run is finished."""
        return self.place(WORK, f"{number:05d}.{kind}")


def shard_count(size: int, workers: int) -> int:
    """Return how many shards a run gets that was not told."""
    return max(-(-size // LARGEST_SHARD), min(-(-size // SMALLEST_SHARD), SHARDS_PER_WORKER * workers), 1)
