"""Keys looked over before a job is paid for: counts and places exact, however they are parted on disk."""

import random
from pathlib import Path
from typing import Any

import pytest

from model import spill
from model.errors import UserError
from model.instance_keys import look_over
from tests.joins import instance, write


def test_many_parts_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates are counted, the first named by key and lines, in the order of the file; `1` and `"1"` differ."""
    keys: list[Any] = [*range(300), *map(str, range(50)), "é\t\n", *range(7, 20), "é\t\n"]
    random.Random(5).shuffle(keys)
    rows = [b"no json", *(instance(key) for key in keys), {"features": []}, {"features": [], "key": None}]
    whole = look_over(write(tmp_path / "asked", rows), "decorator")
    monkeypatch.setattr(spill, "PART_SIZE", 100)
    monkeypatch.setattr(spill, "HELD", 3)
    assert look_over(tmp_path / "asked", "decorator") == whole
    assert (whole.instances, whole.malformed, whole.duplicates) == (len(rows), 3, 14)
    assert whole.first_malformed[0].startswith("line 1 is no JSON object")
    again = [at for at, key in enumerate(keys) if key in keys[:at]]
    wanted = [f"line {keys.index(keys[at]) + 2} stands on line {at + 2} again" for at in again]
    assert [text.partition(" of ")[2] for text in whole.first_duplicates] == wanted[:10]


def test_keys_that_the_wrapper_cannot_carry_are_refused(tmp_path: Path) -> None:
    """By the first of them; so is a file without an instance."""
    with pytest.raises(UserError, match="Key 16777217 does not fit the functional wrapper"):
        look_over(write(tmp_path / "asked", [instance(1), instance(2**24 + 1)]), "functional")
    with pytest.raises(UserError, match=r"No instance in .*: it is empty"):
        look_over(write(tmp_path / "asked", []), "decorator")
