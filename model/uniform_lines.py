"""Lines of one template -> columns, by a few passes over all of them at once: no Python object per number.

What is read here is exactly what the decoder of single lines reads. A line that differs from the template in any byte
outside its values, or whose values are anything but plain numbers and texts, is left to that decoder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simdjson

from model.columns import numpy_dtype
from model.lines import NEWLINE, Lines
from model.signature import TensorSpec
from model.template import Template, is_float

COMMA, QUOTE, BACKSLASH, SPACE, MINUS, ZERO = (ord(character) for character in ',"\\ -0')
NUMBER_BYTES = b"0123456789+-.eE, \t\r"
# Numbers that fit into 64 bits whatever their digits are; a parser of many refuses all for one that does not.
PLAIN_NUMBER = rb"[ \t\r]*-?(?:0|[1-9]\d{0,18})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?[ \t\r]*"
PLAIN_NUMBERS = re.compile(PLAIN_NUMBER + rb"(?:," + PLAIN_NUMBER + rb")*")
MOST_DIGITS = 19  # any integer of so many fits into 64 bits without a sign


@dataclass(frozen=True)
class Uniform:
    """The lines that were read, in their order, and one array per input."""

    index: np.ndarray
    inputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Grid:
    """Lines of as many slots as the template: where each line starts, has its commas, and ends in `text`."""

    text: np.ndarray
    index: np.ndarray
    starts: np.ndarray
    commas: np.ndarray
    ends: np.ndarray

    def start(self, slot: int) -> np.ndarray:
        """Return the first byte of each line's slot."""
        return self.commas[:, slot - 1] + 1 if slot else self.starts

    def stop(self, slot: int) -> np.ndarray:
        """Return the byte behind each line's slot."""
        return self.commas[:, slot] if slot < self.commas.shape[1] else self.ends

    def select(self, good: np.ndarray) -> "Grid":
        """Return a grid of some of the lines."""
        if good.all():
            return self
        return Grid(self.text, self.index[good], self.starts[good], self.commas[good], self.ends[good])


def read_uniform(lines: Lines, template: Template, specs: Sequence[TensorSpec]) -> Uniform:
    """Return the columns of all lines that are like the template."""
    grid = _grid(lines, template)
    if any(spec.dtype == "string" for spec in specs):
        grid = grid.select(_plain_text(grid, lines, template))
    grid = grid.select(_long_enough(grid, template))
    grid = grid.select(_alike(grid, template))
    integers = {}
    for spec in specs:
        if spec.dtype != "string" and not is_float(spec):
            integers[spec.alias], good = _integers(grid, template, spec)
            if not good.all():
                grid = grid.select(good)
                integers = {alias: array[good] for alias, array in integers.items()}
    floats, good = _floats(grid, lines, template, specs)
    inputs = integers | floats
    if not good.all():
        grid, inputs = grid.select(good), {alias: array[good] for alias, array in inputs.items()}
    inputs |= {spec.alias: _texts(grid, lines, template, spec) for spec in specs if spec.dtype == "string"}
    return Uniform(grid.index, {spec.alias: inputs[spec.alias] for spec in specs})


def _grid(lines: Lines, template: Template) -> Grid:
    text = np.frombuffer(lines.text, dtype=np.uint8)
    commas, wanted = np.flatnonzero(text == COMMA), len(template.slots) - 1
    if len(commas) == wanted * len(lines):
        rows = commas.reshape(len(lines), wanted)
        if not wanted or ((rows[:, 0] > lines.starts) & (rows[:, -1] < lines.ends)).all():
            return Grid(text, np.arange(len(lines)), lines.starts, rows, lines.ends)
    before = np.searchsorted(commas, lines.ends)
    index = np.flatnonzero(np.diff(before, prepend=0) == wanted)
    places = (before[index] - wanted)[:, None] + np.arange(wanted)
    return Grid(text, index, lines.starts[index], commas[places], lines.ends[index])


def _long_enough(grid: Grid, template: Template) -> np.ndarray:
    """Tell which lines have room for a value between the bytes around it, in every slot."""
    good = np.ones(len(grid.index), dtype=bool)
    for number, slot in enumerate(template.slots):
        if not slot.bare:
            good &= grid.stop(number) - grid.start(number) >= len(slot.prefix) + slot.least + len(slot.suffix)
    return good


def _alike(grid: Grid, template: Template) -> np.ndarray:
    """Tell which lines have the template's bytes around their values."""
    good = np.ones(len(grid.index), dtype=bool)
    for number, slot in enumerate(template.slots):
        if slot.bare:
            continue
        start, stop = grid.start(number), grid.stop(number) - len(slot.suffix)
        for ahead, byte in enumerate(slot.prefix):
            good &= grid.text[start + ahead] == byte
        for ahead, byte in enumerate(slot.suffix):
            good &= grid.text[stop + ahead] == byte
    return good


def _plain_text(grid: Grid, lines: Lines, template: Template) -> np.ndarray:
    """Tell which lines have no quotes but the template's, no escapes, no control characters, and are UTF-8."""
    text = grid.text
    quotes = np.diff(np.searchsorted(np.flatnonzero(text == QUOTE), lines.ends), prepend=0)
    good: np.ndarray = quotes == template.quotes
    odd = (text == BACKSLASH) | ((text < SPACE) & (text != NEWLINE))
    if not _is_utf8(lines.text):
        odd |= text >= 0x80
    good[np.searchsorted(lines.ends, np.flatnonzero(odd))] = False
    chosen: np.ndarray = good[grid.index]
    return chosen


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _integers(grid: Grid, template: Template, spec: TensorSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return an input's integers, and which lines have such as its type holds."""
    columns, good = [], np.ones(len(grid.index), dtype=bool)
    for number in template.places[spec.alias]:
        slot = template.slots[number]
        start, stop = grid.start(number) + len(slot.prefix), grid.stop(number) - len(slot.suffix)
        values, fine = _integers_at(grid.text, start, stop, np.dtype(spec.dtype))
        columns.append(values)
        good &= fine
    return np.stack(columns, axis=1).reshape(len(grid.index), *_row(spec)), good


def _integers_at(
    text: np.ndarray, start: np.ndarray, stop: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    negative = text[start] == MINUS
    digits = stop - start - negative
    good = (digits >= 1) & (digits <= MOST_DIGITS)
    good &= ~((text[start + negative] == ZERO) & (negative | (digits > 1)))  # 007 is no JSON, and -0 no integer
    values = np.zeros(len(start), dtype=np.uint64)
    power = 1
    for place in range(int(digits[good].max(initial=0))):
        digit = text[np.maximum(stop - 1 - place, 0)] - ZERO
        inside = digits > place
        good &= ~inside | (digit <= 9)
        values += np.where(inside, digit, 0).astype(np.uint64) * np.uint64(power)
        power *= 10
    limits = np.iinfo(dtype)
    good &= np.where(negative, values <= np.uint64(-limits.min), values <= np.uint64(limits.max))
    return np.where(negative, -values.astype(np.int64), values.astype(np.int64)).astype(dtype), good


def _floats(
    grid: Grid, lines: Lines, template: Template, specs: Sequence[TensorSpec]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the floating-point inputs, and which lines have such as their types hold."""
    arrays: dict[str, np.ndarray] = {}
    good = np.ones(len(grid.index), dtype=bool)
    for first, last in template.float_runs:
        values, fine = _numbers(_run_texts(grid, lines, template, first, last), last - first + 1)
        good &= fine
        for spec in specs:
            places = template.places[spec.alias]
            if is_float(spec) and first <= places.start <= last:
                with np.errstate(over="ignore"):  # what becomes infinite is left to the decoder, which says so
                    array = values[:, places.start - first : places.stop - first].astype(numpy_dtype(spec.dtype))
                good &= np.isfinite(array).all(axis=1)
                arrays[spec.alias] = array.reshape(len(array), *_row(spec))
    return arrays, good


def _run_texts(grid: Grid, lines: Lines, template: Template, first: int, last: int) -> list[bytes]:
    """Return what stands in a run of slots, line by line; brackets between the slots become white space."""
    starts = grid.start(first) + len(template.slots[first].prefix)
    stops = grid.stop(last) - len(template.slots[last].suffix)
    text = lines.text
    if any(slot.suffix.strip() for slot in template.slots[first:last]):
        text = _without_brackets(grid, template, first, last)
    return [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _without_brackets(grid: Grid, template: Template, first: int, last: int) -> bytes:
    text = grid.text.copy()
    for number in range(first, last):
        suffix, prefix = template.slots[number].suffix, template.slots[number + 1].prefix
        comma = grid.stop(number)
        for place in [*range(-len(suffix), 0), *range(1, len(prefix) + 1)] if suffix.strip() or prefix.strip() else []:
            text[comma + place] = SPACE
    return text.tobytes()


def _numbers(texts: list[bytes], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` numbers of each text, and which texts are plain numbers between commas."""
    found = _parse(texts, count)
    if found is not None:
        return found, np.ones(len(texts), dtype=bool)
    for suits in (_has_number_bytes_only, PLAIN_NUMBERS.fullmatch):
        good = np.fromiter((bool(suits(text)) for text in texts), dtype=bool, count=len(texts))
        found = _parse([text for text, fine in zip(texts, good, strict=True) if fine], count)
        if found is not None:
            values = np.zeros((len(texts), count))
            values[good] = found
            return values, good
    return np.zeros((len(texts), count)), np.zeros(len(texts), dtype=bool)


def _has_number_bytes_only(text: bytes) -> bool:
    return not text.translate(None, NUMBER_BYTES)


def _parse(texts: list[bytes], count: int) -> np.ndarray | None:
    inner = b",".join(texts)
    if b"[" in inner:  # the parser would read nested lists as if they were flat
        return None
    try:
        array: Any = simdjson.Parser().parse(b"[%b]" % inner)
        values = np.frombuffer(array.as_buffer(of_type="d"))
    except (ValueError, TypeError, RuntimeError):
        return None
    return values.reshape(-1, count) if len(values) == len(texts) * count else None


def _texts(grid: Grid, lines: Lines, template: Template, spec: TensorSpec) -> np.ndarray:
    (number,) = template.places[spec.alias]
    slot, text = template.slots[number], lines.text
    starts, stops = grid.start(number) + len(slot.prefix), grid.stop(number) - len(slot.suffix)
    array = np.empty(len(grid.index), dtype=object)
    array[:] = [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    return array


def _row(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(size or 0 for size in (spec.shape or (None,))[1:])
