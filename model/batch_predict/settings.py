"""What a run is told, and how it can end: plain values that every part of the engine reads."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

from model.batch_predict.formats import Format
from model.batch_predict.tables import TableFormat
from model.batch_predict.transforms import AS_IT_IS, InstanceConfig
from model.errors import UserError

DEFAULT_BATCH = 8192  # rows per call of the model: TensorFlow gains nothing from more, small models lose below 1,000
BLOCK_SIZE = 2 << 20  # bytes of input that travel as one: about 10,000 rows of 13 numbers, which fit into a cache
LONGEST_LINE = 64 << 20  # bytes; a longer line is an error record, whatever stands in it


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    INTERRUPTED_IO = 1  # disk full, input unreadable in the middle: continue with --resume
    UNUSABLE = 2  # bad usage, unusable model or input
    THRESHOLD = 3
    SIGINT = 130
    SIGTERM = 143


class State(StrEnum):
    """How a run ended, as the manifest says it."""

    FINISHED = "finished"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


class UnusableError(UserError):
    """What keeps a run from starting, as one line for its user."""


class BrokenOffError(Exception):
    """What broke a run off in the middle, as one line for its user; `--resume` continues."""


def broken_off(error: OSError) -> BrokenOffError:
    """Return what a failed reading or writing comes to: reason and place, where there is one."""
    place = f": {str(error.filename)!r}" if error.filename else ""
    return BrokenOffError(f"{error.strerror or error}{place}")


@dataclass(frozen=True)
class Threshold:
    """How many failures stop a run: a number of rows, or a share of all rows in percent."""

    value: float
    percent: bool

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.percent else f"{self.value:g}"

    def allowed(self, instances: float) -> float:
        """Return how many of the instances may fail."""
        return self.value / 100 * instances if self.percent else self.value


@dataclass(frozen=True)
class Settings:
    """A run's command line; None where the user left the choice to the engine."""

    saved_model: Path
    patterns: tuple[str, ...]
    output: Path
    signature: str = "serving_default"
    batch_size: int | None = None
    workers: int = 1
    shards: int | None = None
    seed: int | None = None
    with_instance: bool = False
    resume: bool = False
    max_errors: Threshold | None = None
    roots: tuple[tuple[Path, str], ...] = ()
    progress: Path | None = None
    runner: str = "auto"
    parent: int | None = None  # the process to end with
    config: InstanceConfig = AS_IT_IS
    listed: Path | None = None  # the one folder that file lists reach
    on_duplicate_key: str = "keep"  # or "error"
    parity: str = ""  # the service whose failures of whole batches are copied
    instances_format: Format | None = None  # None: as each file's name tells
    predictions_format: TableFormat = TableFormat.JSONL
    csv_rows: str = ""  # "object", "array", or as the header fits
    address: str = ""  # where on gs:// the output goes; it is then made in `output`

    @property
    def place(self) -> str:
        """What the user calls the output."""
        return self.address or str(self.output)
