"""Lines of numbers that a parser of all of them refuses -> the lines that are to blame, found without reading one.

Mostly two neighbouring bytes tell that a number is malformed, or two marks with only digits between them: both are
looked for in the whole text at once. Few faults are left to a regular expression, and it reads only lines near them.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import simdjson

# Numbers that fit into 64 bits whatever their digits are; a parser of many refuses all for one that does not.
PLAIN_NUMBER = rb"[ \t\r]*-?(?:0|[1-9]\d{0,18})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?[ \t\r]*"
PLAIN_NUMBERS = re.compile(PLAIN_NUMBER + rb"(?:," + PLAIN_NUMBER + rb")*(?:,[ \t\r]*)?")
LARGE = 8 << 20  # bytes
NEAR = 128  # lines that are looked at one by one around one that is to blame
ZERO, NINE, QUOTE, END, LOWER_CASE = ord("0"), ord("9"), ord('"'), ord("\n"), ord("a") - ord("A")
OPENING, CLOSING, COMMA_BYTE = b"[],"

DIGIT, MINUS, PLUS, POINT, EXPONENT, COMMA, WHITE = (1 << bit for bit in range(7))
BYTES = {DIGIT: b"0123456789", MINUS: b"-", PLUS: b"+", POINT: b".", EXPONENT: b"eE", COMMA: b",", WHITE: b" \t\r"}
BEHIND = {
    DIGIT: DIGIT | POINT | EXPONENT | COMMA | WHITE,
    MINUS: DIGIT,
    PLUS: DIGIT,
    POINT: DIGIT,
    EXPONENT: DIGIT | MINUS | PLUS,
    COMMA: DIGIT | MINUS | WHITE,
    WHITE: DIGIT | MINUS | WHITE | COMMA,
}

_own = threading.local()


def _table(values: Mapping[int, int]) -> bytes:
    """Return a table for bytes.translate: each byte's value by its kind, and 0 for bytes of no number."""
    kinds = {byte: kind for kind, members in BYTES.items() for byte in members}
    return bytes(values.get(kinds.get(byte, 0), 0) for byte in range(256))


UNMARKED = b"".join(BYTES[kind] for kind in (DIGIT, MINUS, PLUS, WHITE))
KINDS, FOLLOWERS = _table({kind: kind for kind in BYTES}), _table(BEHIND)


def parse(text: np.ndarray) -> np.ndarray | None:
    """Return the numbers of a text that has a comma behind each of them, or None where something else stands there."""
    # The parser would read nested lists as if they were flat; mostly no byte is so high, which is the fastest to see
    if text.max(initial=0) >= OPENING and (text == OPENING).any():
        return None
    listed = np.empty(len(text) + 1, dtype=np.uint8)
    listed[0], listed[1:] = OPENING, text
    listed[_last(text, COMMA_BYTE) + 1] = CLOSING
    try:
        array: Any = _parser(len(text)).parse(listed.data)
        return np.frombuffer(array.as_buffer(of_type="d"))
    except (ValueError, TypeError, RuntimeError):
        return None


def _parser(size: int) -> Any:
    """Return this thread's parser, which is faster when it has parsed before; it keeps the memory that it took."""
    if size > LARGE:
        return simdjson.Parser()
    if not hasattr(_own, "parser"):
        _own.parser = simdjson.Parser()
    return _own.parser


def _last(text: np.ndarray, byte: int) -> int:
    """Return where a byte stands last, or -1."""
    if len(text) and text[-1] == byte:
        return len(text) - 1
    return text.tobytes().rfind(byte)


def spoiled(text: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Iterator[np.ndarray]:
    """Tell which lines, each with a comma at its end, hold something else than plain numbers.

    What is yielded first is the cheapest to find. White space may be written over lines before the next ones are looked
    for: those are what the first ones left.
    """
    yield _holding(_foreign_bytes(text), ends)
    yield _with_bad_marks(text, ends)
    yield _holding(_bad_neighbours(text), ends)
    yield _other_words(text, starts, ends)


def _foreign_bytes(text: np.ndarray) -> np.ndarray:
    """Return where a quote, a letter or a bracket stands."""
    places = np.flatnonzero((text > NINE) | (text == QUOTE))
    foreign: np.ndarray = places[(text[places] | LOWER_CASE) != ord("e")]
    return foreign


def _bad_neighbours(text: np.ndarray) -> np.ndarray:
    """Return where a byte stands that never follows the one before it, or a number's leading zero."""
    raw = b",%b" % text.tobytes()
    kinds = np.frombuffer(raw.translate(KINDS), dtype=np.uint8)
    followers = np.frombuffer(raw.translate(FOLLOWERS), dtype=np.uint8)
    strange = np.flatnonzero((followers[:-1] & kinds[1:]) == 0)
    return np.concatenate([strange, _leading_zeros(np.frombuffer(raw, dtype=np.uint8), kinds)])


def _holding(places: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Tell which lines hold one of the places."""
    found = np.zeros(len(ends) + 1, dtype=bool)
    found[np.searchsorted(ends, places)] = True
    return found[:-1]


def _leading_zeros(raw: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return where, counted from the second byte, a number starts with a zero and goes on with a digit."""
    zeros = (raw[1:-1] == ZERO) & (kinds[2:] == DIGIT)
    apart = kinds & (COMMA | WHITE) != 0
    begins = apart[:-2].copy()
    begins[1:] |= (kinds[1:-2] == MINUS) & apart[:-3]
    return np.flatnonzero(zeros & begins)


def _with_bad_marks(text: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Tell which lines have a number with a point behind a point or an exponent, or with two exponents."""
    marked = text.copy()
    marked[ends] = END
    marks = np.frombuffer(marked.tobytes().translate(None, UNMARKED), dtype=np.uint8)
    point, exponent = marks == ord("."), (marks | LOWER_CASE) == ord("e")
    bad = (point[:-1] | exponent[:-1]) & point[1:] | exponent[:-1] & exponent[1:]
    return _holding(np.flatnonzero(bad), np.flatnonzero(marks == END))


def _other_words(text: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Tell which lines have something else than plain numbers between their commas; parsed, most are found good."""
    found = np.zeros(len(ends), dtype=bool)
    for first in range(0, len(ends), NEAR):
        last = min(first + NEAR, len(ends))
        if parse(text[starts[first] : ends[last - 1] + 1]) is None:
            found[first:last] = [
                PLAIN_NUMBERS.fullmatch(text[starts[at] : ends[at]].tobytes()) is None for at in range(first, last)
            ]
    return found
