"""Instances file -> its keys, looked over before a job is paid for: readable, unique, fit for the wrapper."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from model.errors import UserError, unreadable
from model.instance_files import instances_of, numbered_lines
from model.instance_lines import read_instance
from model.keys import Wrapper, check_keys
from model.line_keys import key_value
from model.reading import LISTED
from model.rejections import BYTE_ORDER_MARK
from model.spill import Spill, part_count, part_of
from model.telling import told


@dataclass(frozen=True)
class InstanceKeys:
    """How many instances a file has, and the first lines that cannot be predicted or matched."""

    instances: int
    malformed: int
    first_malformed: tuple[str, ...]  # "line 3 has no 'key'"
    duplicates: int
    first_duplicates: tuple[str, ...]  # "key 7 of line 4 stands on line 9 again"


def look_over(instances: Path, wrapper: Wrapper) -> InstanceKeys:
    """Read every line's key, in memory that does not grow with the lines.

    Raises:
        UserError: no such file, no instance in it that can be read, or a key that the wrapper cannot carry.
    """
    _refuse_byte_order_mark(instances)
    malformed: list[str] = []
    count = good = 0
    with tempfile.TemporaryDirectory(prefix="keys-") as name:
        parts = part_count(_size(instances))
        keys = Spill(Path(name), "keys", parts)
        for number, line in told(_lines(instances), "instances looked over"):
            count += 1
            try:
                key = _key_of(line)
            except ValueError as error:
                malformed += [f"line {number} {error}"] * (len(malformed) < LISTED)
                continue
            keys.add(part_of(key, parts), f"{key}\t{number}\n")
            good += 1
        keys.flush()
        duplicates, first = _compared(keys, wrapper)
    if not good:
        found = malformed[0] if malformed else "it is empty"
        raise UserError(f'No instance in \'{instances}\': {found}. Give JSON Lines: {{"features": […], "key": 0}}')
    return InstanceKeys(count, count - good, tuple(malformed), duplicates, first)


def _compared(keys: Spill, wrapper: Wrapper) -> tuple[int, tuple[str, ...]]:
    """Count the instances whose key another has, and name the first; keys are compared and checked part by part."""
    count, pairs = 0, list[tuple[int, int, str]]()
    for part in range(len(keys.paths)):
        lines: dict[str, int] = {}
        again = []
        for note in keys.read(part):
            key, _, number = note.rpartition("\t")
            if (first := lines.setdefault(key, int(number))) != int(number):
                again.append((int(number), first, key))
        check_keys(map(key_value, lines), wrapper)
        count += len(again)
        pairs = nsmallest(LISTED, [*pairs, *again])
    return count, tuple(f"key {key} of line {first} stands on line {number} again" for number, first, key in pairs)


def _size(instances: Path) -> int:
    """Return roughly how many bytes of text there are."""
    return instances_of(instances).size if instances.is_file() else 0


def _key_of(line: bytes) -> str:
    key, _ = read_instance(line)
    if key is None:
        raise ValueError("has no 'key'")
    return key


def _refuse_byte_order_mark(instances: Path) -> None:
    if instances.is_file() and os.access(instances, os.R_OK):
        with instances.open("rb") as file:
            marked = file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        if marked:
            remedy = f"Run: sed -i '1s/^\\xEF\\xBB\\xBF//' {instances}"
            raise UserError(f"'{instances}' starts with a UTF-8 byte order mark, which no service skips. {remedy}")


def _lines(instances: Path) -> Iterator[tuple[int, bytes]]:
    try:
        yield from numbered_lines(instances)
    except FileNotFoundError:
        raise UserError(f"No instances at '{instances}'. Run: invoke predict --instances seed") from None
    except OSError as error:
        raise unreadable(f"The instances at '{instances}'", error, "Check the path and its permissions.") from None
