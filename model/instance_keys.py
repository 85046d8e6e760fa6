"""Instances file -> its keys, looked over before a job is paid for: readable, unique, fit for the wrapper."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.errors import UserError, unreadable
from model.instance_files import numbered_lines
from model.instance_lines import read_instance
from model.keys import Wrapper, check_keys
from model.line_keys import key_value
from model.reading import LISTED
from model.rejections import BYTE_ORDER_MARK


@dataclass(frozen=True)
class InstanceKeys:
    """How many instances a file has, and the first lines that cannot be predicted or matched."""

    instances: int
    malformed: int
    first_malformed: tuple[str, ...]  # "line 3 has no 'key'"
    duplicates: int
    first_duplicates: tuple[str, ...]  # "key 7 of line 4 stands on line 9 again"


def look_over(instances: Path, wrapper: Wrapper) -> InstanceKeys:
    """Read every line's key.

    Raises:
        UserError: no such file, no instance in it that can be read, or a key that the wrapper cannot carry.
    """
    _refuse_byte_order_mark(instances)
    lines: dict[str, int] = {}
    malformed: list[str] = []
    duplicates: list[str] = []
    count = 0
    for number, line in _lines(instances):
        count += 1
        try:
            key = _key_of(line)
        except ValueError as error:
            malformed.append(f"line {number} {error}")
            continue
        first = lines.setdefault(key, number)
        if first != number:
            duplicates.append(f"key {key} of line {first} stands on line {number} again")
    if not lines:
        found = malformed[0] if malformed else "it is empty"
        raise UserError(f'No instance in \'{instances}\': {found}. Give JSON Lines: {{"features": […], "key": 0}}')
    check_keys(map(key_value, lines), wrapper)
    return InstanceKeys(count, len(malformed), tuple(malformed[:LISTED]), len(duplicates), tuple(duplicates[:LISTED]))


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
