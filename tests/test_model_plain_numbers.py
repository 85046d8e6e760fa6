"""Lines whose numbers a parser refuses are found in the whole text, and no good line is blamed for its neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.plain_numbers import PLAIN_NUMBERS, parse, spoiled

GOOD = ["0", "-0.5", "12", "1e5", "-1.25E-07", "3e+10", " 7", "8 ", "0.10", "1234567890123456789"]
BAD = ["1.2.3", "1e2.5", "1e5e5", "1e-5.3", "007", "-01", "1.", ".5", "+1", "--1", "1-2", "-", "", "1 2", "NaN", '"x"',
       "null", "1e999", "123456789012345678901", "0x10", "1/2", "e5", "1e"]  # fmt: skip


def written(lines: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a text of lines that each end in a comma, where they start, and where they end."""
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    return np.frombuffer("".join(f"{line}," for line in lines).encode(), np.uint8).copy(), np.r_[0, ends[:-1] + 1], ends


def looks(lines: list[str]) -> list[list[bool]]:
    """Return what every look blames."""
    return [found.tolist() for found in spoiled(*written(lines))]


@pytest.mark.parametrize("word", BAD)
def test_malformed_number_is_found_in_its_line_alone(word: str) -> None:
    """Whatever is wrong with a number, its own line is blamed and the parser takes the others."""
    lines = ["1.5,2", "0,-3e-2", f"4,{word}", "5.5,6"]
    assert parse(written(lines)[0]) is None
    assert np.any(looks(lines), axis=0).tolist() == [False, False, True, False]


def test_plain_numbers_are_never_blamed() -> None:
    """Every form of a plain number passes every look."""
    assert not np.any(looks([f"{one},{other}" for one in GOOD for other in GOOD]))


def is_whole(line: str) -> bool:
    """Tell whether something stands behind the last comma: the text has another one behind each line."""
    return not line.rstrip().endswith(",")


@given(st.lists(st.text("0123456789.eE+-, ", min_size=1, max_size=12).filter(is_whole), min_size=1, max_size=5))
def test_looks_blame_exactly_the_lines_that_are_not_plain(lines: list[str]) -> None:
    """Of any text of number bytes, looks before the last blame no plain line, and together they miss none."""
    plain = np.array([PLAIN_NUMBERS.fullmatch(line.encode()) is not None for line in lines])
    text, starts, ends = written(lines)
    found = np.zeros(len(lines), dtype=bool)
    for blamed in spoiled(text, starts, ends):
        assert not (blamed & plain & ~found).any()
        found |= blamed
        for start, end in zip(starts[found], ends[found] + 1, strict=True):
            text[start:end] = ord(" ")
    assert found[~plain].all() or parse(text) is not None
