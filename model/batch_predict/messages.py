"""What a worker and the main process say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.batch_predict.shard import Counts
from model.instances import Group
from model.runner import Outputs


@dataclass(frozen=True)
class NextShard:
    """Worker: give me a shard. Answered by its number, or None when there is none left.

    `whole` is the shard that I have finished; None where there was none, or it is not at its end.
    """

    whole: int | None = None


@dataclass(frozen=True)
class Inputs:
    """Worker: predict these. Answered by Predictions."""

    groups: Sequence[Group]


@dataclass(frozen=True)
class GroupPredictions:
    """A group's batches, each with the row it starts at, and the rows that the model refused."""

    batches: Sequence[tuple[int, Outputs]]
    failures: Mapping[int, str]


@dataclass(frozen=True)
class Predictions:
    """Main: the answer to Inputs; `stop` says that this block is the worker's last."""

    groups: Sequence[GroupPredictions]
    stop: bool


@dataclass(frozen=True)
class Done:
    """Worker: a block is written. Its counts, its bytes of input, and where its failed lines stand."""

    counts: Counts
    size: int
    file: str
    failed_lines: Sequence[int]


@dataclass(frozen=True)
class BrokenOff:
    """Worker: reading or writing failed, I end here."""

    message: str


Message = NextShard | Inputs | Done | BrokenOff
