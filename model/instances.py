"""JSON Lines -> checked input arrays: the decoder comes from the model's signature; nothing is coerced in silence."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Union

import msgspec
import numpy as np
import orjson
from msgspec.structs import replace

from model.columns import ValueFaultError, faults_of, shape_of, to_array
from model.explanations import Refused, reject_all
from model.instance_types import bare_type, row_type, single_value
from model.lines import Lines, as_lines
from model.rejections import Rejection, duplicate_field, read_key
from model.signature import Signature, TensorSpec
from model.template import Template, fits, template_of
from model.uniform_lines import Uniform, read_uniform

REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
COLON = ord(":")
ALL: list[int] = []
FEW = 64  # lines that are sooner decoded one by one than looked at for what they have in common
TRIED = 16  # lines that are looked at for a good one
WHITESPACE = b" \t\r\n"


@dataclass(frozen=True)
class Group:
    """Rows of one shape: the positions of their lines, and one array per input."""

    index: np.ndarray
    inputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Decoded:
    """What lines became: every line is in exactly one group, rejected, or blank."""

    groups: Sequence[Group]
    rejections: Sequence[Rejection]
    blank: int


@dataclass(frozen=True)
class InstanceDecoder:
    """Decodes the instances of one signature."""

    signature: Signature
    decode: Callable[[bytes], Any]
    row_type: type
    names: tuple[bytes, ...]  # the inputs' names as JSON writes them

    @property
    def single(self) -> bool:
        """Whether the model has one input, whose value may also come without its name."""
        return len(self.signature.inputs) == 1

    @cached_property
    def takes(self) -> str:
        """The names of the inputs, for messages."""
        return ", ".join(spec.alias for spec in self.signature.inputs)

    def __call__(self, lines: Sequence[bytes]) -> Decoded:
        """Return the lines' arrays and rejections."""
        if len(lines) < FEW or not fits(self.signature.inputs):
            return self.decode_each(lines)
        text = as_lines(lines)
        template = self._template(text)
        if template is None:
            return self.decode_each(text)
        uniform = read_uniform(text, template, self.signature.inputs)
        if len(uniform.index) == len(text):
            return Decoded([Group(uniform.index, uniform.inputs)], [], 0)
        left = np.ones(len(text), dtype=bool)
        left[uniform.index] = False
        others = np.flatnonzero(left)
        return _merged(uniform, self.decode_each(text.at(others), others.tolist()))

    def _template(self, lines: Lines) -> Template | None:
        """Return the template of the first good line, so that a block is read the same way whatever came before it."""
        for line in map(lines.__getitem__, range(TRIED)):
            if self.decode_each([line]).groups:
                return template_of(line, self.signature.inputs)
        return None

    def decode_each(self, lines: Sequence[bytes], places: Sequence[int] = ()) -> Decoded:
        """Return what calling the decoder returns, whatever the lines have in common: slower, and the rule.

        `places` are the lines' positions in ascending order, where they are some of many.
        """
        places = places or range(len(lines))
        index, rows, refused, blank = self._rows(lines)
        rejections = reject_all(refused, lines, places, self.takes)
        duplicates = self._duplicates(lines, index, rows)
        rejections += [replace(rejection, at=places[rejection.at]) for rejection in duplicates]
        index, rows = _without(index, rows, {rejection.at for rejection in duplicates})
        positions = np.asarray(places, dtype=np.int64)[np.asarray(index, dtype=np.int64)]
        columns = self._columns(rows)
        try:
            return Decoded(self._groups(positions, columns), rejections, blank)
        except ValueFaultError:
            faults = self._faults(columns)
        rejections += [
            Rejection(places[index[row]], read_key(lines[index[row]]), *fault) for row, fault in faults.items()
        ]
        kept = np.array([row for row in range(len(rows)) if row not in faults], dtype=np.int64)
        columns = [[values[row] for row in kept] for values in columns]
        return Decoded(self._groups(positions[kept], columns), rejections, blank)

    def _rows(self, lines: Sequence[bytes]) -> tuple[Sequence[int], list[Any], Refused, int]:
        with suppress(*REFUSED):
            return range(len(lines)), [self.decode(line) for line in lines], {}, 0
        return self._rows_one_by_one(lines)  # outside: what is raised there would keep this error and its frames

    def _rows_one_by_one(self, lines: Sequence[bytes]) -> tuple[list[int], list[Any], Refused, int]:
        index: list[int] = []
        rows: list[Any] = []
        refused = defaultdict[tuple[type[Exception], str], list[int]](list)
        decode, blank = self.decode, 0
        for position, line in enumerate(lines):
            try:
                rows.append(decode(line))
                index.append(position)
            except REFUSED as error:
                if line.strip(WHITESPACE):
                    refused[type(error), str(error)].append(position)  # the error itself would keep all lines alive
                else:
                    blank += 1
        return index, rows, refused, blank

    def _duplicates(self, lines: Sequence[bytes], index: Sequence[int], rows: list[Any]) -> list[Rejection]:
        """Find lines that name a field twice: JSON decoders keep the last one without a word.

        As many colons as fields leave no room for a second one; only otherwise lines are looked at one by one.
        """
        text = np.frombuffer(b"".join(lines[position] for position in index), dtype=np.uint8)
        objects = sum(type(row) is self.row_type for row in rows) if self.single else len(rows)
        if np.count_nonzero(text == COLON) == objects * len(self.signature.inputs):
            return []
        found = ((at, self._duplicate(lines[at])) for at in index)
        return [
            Rejection(
                at, None if name == "key" else read_key(lines[at]), "DUPLICATE_FIELD", f"field {name!r} is there twice"
            )
            for at, name in found
            if name is not None
        ]

    def _duplicate(self, line: bytes) -> str | None:
        suspect = b"\\" in line or any(line.count(name) > 1 for name in self.names) or b'"b64"' in line
        return duplicate_field(line) if suspect else None

    def _columns(self, rows: list[Any]) -> list[list[Any]]:
        if self.single:
            return [[single_value(row) if type(row) is self.row_type else row for row in rows]]
        return [list(map(attrgetter(f"f{n}"), rows)) for n in range(len(self.signature.inputs))]

    def _faults(self, columns: list[list[Any]]) -> dict[int, tuple[str, str]]:
        """Return code and message of the rows whose values a tensor cannot hold."""
        faults: dict[int, tuple[str, str]] = {}
        for spec, values in zip(self.signature.inputs, columns, strict=True):
            for row, fault in faults_of(values, spec):
                faults.setdefault(row, fault)
        return faults

    def _groups(self, index: np.ndarray, columns: list[list[Any]]) -> list[Group]:
        specs = self.signature.inputs
        shapes = [_row_shapes(spec, values) for spec, values in zip(specs, columns, strict=True)]
        groups = []
        for key, members in _members(len(index), shapes).items():
            inputs = {}
            for spec, values, shape in zip(specs, columns, key, strict=True):
                chosen = values if members is ALL else [values[row] for row in members]
                inputs[spec.alias] = to_array(chosen, spec, shape)
            groups.append(Group(index if members is ALL else index[members], inputs))
        return groups


def instance_decoder(signature: Signature) -> InstanceDecoder:
    """Make the decoder of a signature's instances."""
    row = row_type(signature)
    wanted: Any = row
    if len(signature.inputs) == 1:
        wanted = Union[row, bare_type(signature.inputs[0])]  # noqa: UP007 - `row` is made at run time
    names = tuple(orjson.dumps(spec.alias) for spec in signature.inputs)
    return InstanceDecoder(signature, msgspec.json.Decoder(wanted).decode, row, names)


def _merged(uniform: Uniform, rest: Decoded) -> Decoded:
    """Put the lines that were decoded one by one in their places among the uniform ones."""
    groups = [Group(uniform.index, uniform.inputs), *rest.groups] if len(uniform.index) else rest.groups
    if len(groups) < 2:
        return Decoded(groups, rest.rejections, rest.blank)
    index = np.concatenate([group.index for group in groups])
    order = np.argsort(index)
    inputs = {alias: np.concatenate([group.inputs[alias] for group in groups])[order] for alias in uniform.inputs}
    return Decoded([Group(index[order], inputs)], rest.rejections, rest.blank)


def _without(index: Sequence[int], rows: list[Any], dropped: set[int]) -> tuple[Sequence[int], list[Any]]:
    if not dropped:
        return index, rows
    kept = [(at, row) for at, row in zip(index, rows, strict=True) if at not in dropped]
    return [at for at, _ in kept], [row for _, row in kept]


def _row_shapes(spec: TensorSpec, values: list[Any]) -> list[tuple[int, ...]] | tuple[int, ...]:
    """Return the one shape of all rows, or each row's own where the signature leaves a dimension open."""
    dims = (spec.shape or (None,))[1:]
    return [shape_of(value, dims) for value in values] if None in dims else tuple(size or 0 for size in dims)


def _members(count: int, shapes: Sequence[Any]) -> dict[tuple[tuple[int, ...], ...], list[int]]:
    """Return the rows of each combination of shapes; ALL where there is but one."""
    if not count:
        return {}
    if all(isinstance(shape, tuple) for shape in shapes):
        return {tuple(shapes): ALL}
    members: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for position in range(count):
        key = tuple(shape if isinstance(shape, tuple) else shape[position] for shape in shapes)
        members.setdefault(key, []).append(position)
    return members
