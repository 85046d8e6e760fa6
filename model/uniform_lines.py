"""Lines of one template -> columns, by a few passes over all of them at once: no Python object per number.

What is read here is exactly what the decoder of single lines reads. A line that differs from the template in any byte
outside its values, or whose values are anything but plain numbers and texts, is left to that decoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.byte_windows import blank, blank_between, stands_at
from model.columns import numpy_dtype
from model.lines import NEWLINE, Lines
from model.plain_numbers import parse, spoiled
from model.signature import TensorSpec
from model.template import Template, kind_of

COMMA, QUOTE, BACKSLASH, SPACE, MINUS, ZERO = (ord(character) for character in ',"\\ -0')
NINE = ord("9")
MOST_DIGITS = 19  # any integer of so many fits into 64 bits without a sign


@dataclass(frozen=True)
class Uniform:
    """The lines that were read, in their order, and one array per input."""

    index: np.ndarray
    inputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Grid:
    """Lines of as many slots as the template: where each of them starts, has its commas, and ends in `text`."""

    lines: Lines
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

    def value(self, slot: int, template: Template) -> tuple[np.ndarray, np.ndarray]:
        """Return where each line's value starts and stops in a slot, without the bytes that are always the same."""
        fixed = template.slots[slot]
        return self.start(slot) + len(fixed.prefix), self.stop(slot) - len(fixed.suffix)

    def select(self, good: np.ndarray, inputs: Mapping[str, np.ndarray]) -> "tuple[Grid, dict[str, np.ndarray]]":
        """Return some of the lines, and what was read of them."""
        if good.all():
            return self, dict(inputs)
        grid = Grid(self.lines, self.text, self.index[good], self.starts[good], self.commas[good], self.ends[good])
        return grid, {alias: array[good] for alias, array in inputs.items()}


def read_uniform(lines: Lines, template: Template, specs: Sequence[TensorSpec]) -> Uniform:
    """Return the columns of all lines that are like the template."""
    grid = _grid(lines, template)
    grid, _ = grid.select(_long_enough(grid, template), {})
    good = _alike(grid, template)
    if any(spec.dtype == "string" for spec in specs):
        good &= _plain_text(grid, template)
    inputs, fine = _integers(grid, template, specs)
    grid, inputs = grid.select(good & fine, inputs)
    floats, fine = _floats(grid, template, specs)
    grid, inputs = grid.select(fine, inputs | floats)
    inputs |= {spec.alias: _texts(grid, template, spec) for spec in specs if spec.dtype == "string"}
    return Uniform(grid.index, {spec.alias: inputs[spec.alias] for spec in specs})


def _grid(lines: Lines, template: Template) -> Grid:
    text = np.frombuffer(lines.text, dtype=np.uint8)
    commas, wanted = np.flatnonzero(text == COMMA), len(template.slots) - 1
    if len(commas) == wanted * len(lines):
        rows = commas.reshape(len(lines), wanted)
        if not wanted or ((rows[:, 0] > lines.starts) & (rows[:, -1] < lines.ends)).all():
            return Grid(lines, text, np.arange(len(lines)), lines.starts, rows, lines.ends)
    counts = np.diff(np.searchsorted(commas, lines.ends), prepend=0)
    index = np.flatnonzero(counts == wanted)
    rows = commas[np.repeat(counts == wanted, counts)].reshape(len(index), wanted)
    return Grid(lines, text, index, lines.starts[index], rows, lines.ends[index])


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
        good &= stands_at(grid.text, grid.start(number), slot.prefix)
        good &= stands_at(grid.text, grid.stop(number) - len(slot.suffix), slot.suffix)
    return good


def _plain_text(grid: Grid, template: Template) -> np.ndarray:
    """Tell which lines have no quotes but the template's, no escapes, no control characters, and are UTF-8."""
    text, lines = grid.text, grid.lines
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


def _integers(grid: Grid, template: Template, specs: Sequence[TensorSpec]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the integer inputs, and which lines have such as their types hold."""
    arrays: dict[str, np.ndarray] = {}
    good = np.ones(len(grid.index), dtype=bool)
    for spec in specs:
        if kind_of(spec) == "integer":
            columns = []
            for number in template.places[spec.alias]:
                values, fine = _integers_at(grid.text, *grid.value(number, template), np.dtype(spec.dtype))
                columns.append(values)
                good &= fine
            arrays[spec.alias] = np.stack(columns, axis=1).reshape(len(grid.index), *_row(spec))
    return arrays, good


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


def _floats(grid: Grid, template: Template, specs: Sequence[TensorSpec]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the floating-point inputs, and which lines have such as their types hold."""
    arrays: dict[str, np.ndarray] = {}
    if all(kind_of(spec) != "float" for spec in specs):
        return arrays, np.ones(len(grid.index), dtype=bool)
    values, good = _numbers(grid, _numbers_only(grid, template), len(template.numbers))
    for spec in specs:
        if kind_of(spec) == "float":
            first, count = template.numbers.index(template.places[spec.alias].start), len(template.places[spec.alias])
            with np.errstate(over="ignore"):  # what becomes infinite is left to the decoder, which says so
                array = values[:, first : first + count].astype(numpy_dtype(spec.dtype))
            finite = np.isfinite(array)
            good &= finite.all() or finite.all(axis=1)
            arrays[spec.alias] = array.reshape(len(array), *_row(spec))
    return arrays, good


def _numbers_only(grid: Grid, template: Template) -> np.ndarray:
    """Return the text with white space for all but the grid's numbers and the separator behind each of them."""
    text = grid.text.copy()
    others = np.ones(len(grid.lines.starts), dtype=bool)
    others[grid.index] = False
    blank_between(text, grid.lines.starts[others], grid.lines.ends[others] + 1)
    text[grid.ends] = COMMA
    for number, slot in enumerate(template.slots):
        start, stop = grid.start(number), grid.stop(number)
        if slot.kind == "text":
            blank_between(text, start, stop + 1)
        elif not slot.bare:
            blank(text, start, len(slot.prefix))
            blank(text, stop - len(slot.suffix), len(slot.suffix))
    return text


def _numbers(grid: Grid, text: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` numbers of each line, and which lines have plain numbers between their commas."""
    good = np.ones(len(grid.index), dtype=bool)
    looks = spoiled(text, grid.starts, grid.ends)
    found = parse(text) if len(good) == len(grid.lines) or text.max(initial=0) <= NINE else None  # else it would fail
    while found is None and (bad := next(looks, None)) is not None:
        bad &= good
        blank_between(text, grid.starts[bad], grid.ends[bad] + 1)
        good &= ~bad
        found = parse(text)
    if found is None:
        return np.zeros((len(good), count)), np.zeros(len(good), dtype=bool)
    if good.all():
        return found.reshape(-1, count), good
    values = np.zeros((len(good), count))
    values[good] = found.reshape(-1, count)
    return values, good


def _texts(grid: Grid, template: Template, spec: TensorSpec) -> np.ndarray:
    (number,) = template.places[spec.alias]
    text, (starts, stops) = grid.lines.text, grid.value(number, template)
    array = np.empty(len(grid.index), dtype=object)
    array[:] = [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    return array


def _row(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(size or 0 for size in (spec.shape or (None,))[1:])
