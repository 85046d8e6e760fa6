"""A block of instances -> the lines of its shard: what a worker does around the model, and a Beam pipeline whole."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from model.batch_predict.blocks import Block
from model.batch_predict.decoding import decode_block
from model.batch_predict.formats import Format
from model.batch_predict.inputs import InputFile
from model.batch_predict.messages import GroupPredictions
from model.batch_predict.parity import BATCH, fail_batches, without
from model.batch_predict.plan import Range
from model.batch_predict.readers import Headers
from model.batch_predict.records import Records, as_text, encode_rows, make_records
from model.batch_predict.settings import Settings
from model.batch_predict.transforms import Sent, with_heads
from model.batching import Batch, predict
from model.instances import Decoded, Group, InstanceDecoder
from model.predictions import Encoder
from model.runner import Runner


@dataclass(frozen=True)
class Pending:
    """A block whose arrays are to go through the model."""

    part: Range
    place: int  # position of `part` in the shard's plan
    block: Block
    decoded: Decoded
    sent: Sent | None = None  # where instances are not the lines themselves


@dataclass(frozen=True)
class Kernel:
    """What decodes and encodes the blocks of a run."""

    settings: Settings
    files: Sequence[InputFile]
    headers: Headers
    decode: InstanceDecoder
    encode: Encoder

    def pending(self, part: Range, place: int, block: Block) -> Pending:
        """Decode a block."""
        config, columns = self.settings.config, self.headers.get(self.files[part.file].name)
        config = replace(config, columns=columns.header) if config and columns else config
        return Pending(part, place, block, *decode_block(self.decode, block, config))

    def records(
        self, pending: Pending, answers: Sequence[GroupPredictions], seed: str, lines_before: Callable[[Range], int]
    ) -> Records:
        """Encode a block's predictions; `lines_before` counts the lines of the file before a range."""
        settings, block = self.settings, pending.block
        sent, decoded, file = pending.sent, pending.decoded, self.files[pending.part.file]
        echo = settings.with_instance or file.format is Format.FILE_LIST  # only its name says whose prediction it is
        full_seed = f"{settings.seed} {seed}"
        order = None if settings.seed is None else random.Random(full_seed)  # noqa: S311 - a seed is to be repeatable
        apart = bool(sent or settings.parity or order)
        plain = echo and not sent
        rows, failures = encode_rows(self.encode, block, decoded, answers, with_instance=plain, apart=apart)
        if sent:
            rows = with_heads(sent, rows) if settings.with_instance else rows
            failures = sent.keyed(failures)

        @cache
        def first_line() -> int:
            return lines_before(pending.part) + block.first_line + 1

        if settings.parity:
            size, found = settings.batch_size or BATCH, [*decoded.rejections, *failures]
            failures = fail_batches(
                settings.parity, block.lines, found, size, lambda at: (file.name, first_line() + at)
            )
            failures = sent.keyed(failures) if sent else failures
            rows, decoded = without(rows, failures), replace(decoded, rejections=[])
        return make_records(block, decoded, as_text(rows, order), failures, file.name, first_line)


def predict_group(runner: Runner, group: Group, batch_size: int) -> GroupPredictions:
    """Send a group's rows through the model."""
    batches, failures = [], {}
    for part in predict(runner, group.inputs, batch_size):
        if isinstance(part, Batch):
            batches.append((part.start, part.outputs))
        else:
            failures[part.row] = part.message
    return GroupPredictions(batches, failures)
