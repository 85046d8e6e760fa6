"""Instances, result shards, error shards -> their keys on disk, parted by key, and what is known before a match."""

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from model.batch_predict.formats import Format
from model.batch_predict.settings import LONGEST_LINE
from model.error_lines import Failure, read_error
from model.instance_files import Instances, numbered_lines
from model.instance_lines import read_instance
from model.rejections import KEY_WITHIN
from model.result_lines import Prediction, read_prediction
from model.spill import Spill, part_count, part_of
from model.table_shards import is_table, table_lines
from model.telling import told

LISTED = 10  # how many of each kind a summary names
NO_PART = 0xFFFF  # of an instance whose key cannot be read
BLOCK = 65_536


@dataclass
class Read:
    """What was read: keys on disk, counts, the first of what is odd."""

    instances: Spill  # a key a line
    predictions: Spill  # key, tab, outputs
    refusals: Spill  # a key a line
    parts: int
    order: Path  # the part of each instance, in their order
    rows: int = 0
    predicted: int = 0
    keyless_errors: int = 0
    unreadable: list[int] = field(default_factory=list)  # the first instances without a key, by number
    unreadable_count: int = 0
    fields: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    first_errors: list[Failure] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)  # the first lines of shards that nothing can be made of
    malformed_count: int = 0


def read(instances: Instances, shards: Sequence[Path], errors: Sequence[Path], folder: Path) -> Read:
    """Read everything once; a line that cannot be read is counted, never an exception.

    `folder` is for what does not fit in memory.
    """
    parts = part_count(instances.size + sum(file.stat().st_size for file in [*shards, *errors]))
    asked, predictions, refusals = (Spill(folder, name, parts) for name in ("instances", "predictions", "refusals"))
    found = Read(asked, predictions, refusals, parts, folder / "order")
    _read_instances(found, instances)
    with (folder / "malformed").open("w") as complaints:
        text_keys = any(map(is_table, shards)) and have_text_keys(instances)
        for file, number, line in told(_lines(shards, text_keys=text_keys), "predictions read"):
            try:
                _note_result(found, read_prediction(line, named=instances.format is Format.FILE_LIST))
            except ValueError as error:
                _complain(found, complaints, f"{file.name}:{number} {error}")
        for file, number, line in told(_lines(errors), "errors read"):
            try:
                _note_failure(found, read_error(line))
            except ValueError as error:
                _complain(found, complaints, f"{file.name}:{number} {error}")
    for spill in (found.instances, found.predictions, found.refusals):
        spill.flush()
    return found


def _lines(files: Sequence[Path], *, text_keys: bool = False) -> Iterator[tuple[Path, int, bytes]]:
    return ((file, number, line) for file in files for number, line in shard_lines(file, text_keys=text_keys))


def shard_lines(file: Path, *, text_keys: bool) -> Iterator[tuple[int, bytes]]:
    """Yield number and line of a shard, whatever its format."""
    return table_lines(file, text_keys=text_keys) if is_table(file) else numbered_lines(file)


def have_text_keys(instances: Instances) -> bool:
    """Whether the first key of the instances that can be read is text."""
    for _, line in instances:
        try:
            key, _ = read_instance(line, instances.key)
        except ValueError:
            continue
        if key is not None:
            return key.startswith('"')
    return False


def _read_instances(found: Read, instances: Instances) -> None:
    order = array("H")
    with found.order.open("wb") as file:
        for number, line in told(instances, "instances read"):
            key = _instance_key(found, line, instances)
            part = NO_PART if key is None else part_of(key, found.parts)
            if key is None:
                found.unreadable_count += 1
                found.unreadable += [number] * (len(found.unreadable) < LISTED)
            else:
                found.instances.add(part, f"{key}\n")
            found.rows += 1
            order.append(part)
            if len(order) >= BLOCK:
                order.tofile(file)
                del order[:]
        order.tofile(file)


def parts_in_order(found: Read) -> Iterator[int]:
    """Yield the part of each instance, NO_PART for one without a key, in the instances' order."""
    with found.order.open("rb") as file:
        while block := file.read(2 * BLOCK):
            yield from array("H", block)


def _instance_key(found: Read, line: bytes, instances: Instances) -> str | None:
    """Return an instance's key, the one that its error record has where it is refused."""
    try:
        if len(line) > LONGEST_LINE:
            return instances.refused_key(line[:KEY_WITHIN])
        key, fields = read_instance(line, instances.key)
    except ValueError:
        return instances.refused_key(line)
    found.fields.update(fields)
    return key


def _note_result(found: Read, line: Prediction | Failure) -> None:
    if isinstance(line, Failure):
        _note_failure(found, line)
        return
    found.predicted += 1
    found.outputs.update(line.names)
    found.predictions.add(part_of(line.key, found.parts), f"{line.key}\t{line.outputs}\n")


def _note_failure(found: Read, failure: Failure) -> None:
    found.errors[failure.code] += failure.batches or 1
    if len(found.first_errors) < LISTED:
        found.first_errors.append(failure)
    if failure.key is not None:
        found.refusals.add(part_of(failure.key, found.parts), f"{failure.key}\n")
    elif not failure.batches:  # of a service's failed batches no row is known
        found.keyless_errors += 1


def _complain(found: Read, complaints: TextIO, what: str) -> None:
    """Count a line of a shard that nothing can be made of."""
    found.malformed_count += 1
    found.malformed += [what] * (len(found.malformed) < LISTED)
    complaints.write(json.dumps({"line": what}) + "\n")
