"""Sampled Shapley values: what each part of an instance adds to a prediction, by asking the model about mixtures.

A path begins with the baseline and turns one part after the other, in a random order, into the instance's; what the
output changes by is that part's. The mean over the paths is its attribution (arXiv 1306.4265).
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.emulator.resources import Json

Part = tuple[str, tuple[int, ...]]  # a field of the instance, and the place in its array
Read = Callable[[Any], float]  # the output that is explained, out of a prediction


@dataclass(frozen=True)
class Mixtures:
    """The instances to ask about for one baseline: the baseline itself, then every step of every path."""

    instance: Json
    baseline: Json
    orders: tuple[tuple[Part, ...], ...]

    def rows(self) -> Iterator[Json]:
        """Yield the instances, `size` of them."""
        yield self.baseline
        for order in self.orders:
            row = copy.deepcopy(self.baseline)
            for part in order:
                _set(row, part, _get(self.instance, part))
                yield copy.deepcopy(row)

    @property
    def size(self) -> int:
        """How many instances there are."""
        return 1 + sum(map(len, self.orders))

    def attributions(self, outputs: list[float]) -> dict[Part, float]:
        """Return each part's mean contribution, from the outputs of the rows."""
        sums = dict.fromkeys(self.orders[0], 0.0)
        place = 1
        for order in self.orders:
            before = outputs[0]
            for part in order:
                sums[part] += outputs[place] - before
                before, place = outputs[place], place + 1
        return {part: total / len(self.orders) for part, total in sums.items()}


def mixtures(instance: Json, baselines: Mapping[str, Any], paths: int, seed: object) -> Mixtures:
    """Return the mixtures of an instance with the baselines of its explained fields; other fields stay as they are."""
    baseline = {**instance, **baselines}
    parts = [part for name in baselines for part in _parts(name, instance[name])]
    chance = random.Random(repr(seed))  # noqa: S311 - it is to repeat
    orders = (tuple(chance.sample(parts, len(parts))) for _ in range(paths))
    return Mixtures(instance, copy.deepcopy(baseline), tuple(orders))


def shaped(name: str, value: Any, found: Mapping[Part, float], place: tuple[int, ...] = ()) -> Any:
    """Return a field's attributions in the form of its value."""
    if isinstance(value, list):
        return [shaped(name, one, found, (*place, number)) for number, one in enumerate(value)]
    return found[name, place]


def zeros(value: Any) -> Any:
    """Return the baseline of a field that has none: zeros, or the empty text."""
    if isinstance(value, list):
        return [zeros(one) for one in value]
    return "" if isinstance(value, str) else 0


def _parts(name: str, value: Any, place: tuple[int, ...] = ()) -> Iterator[Part]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _parts(name, one, (*place, number))
    else:
        yield name, place


def _get(instance: Json, part: Part) -> Any:
    value = instance[part[0]]
    for number in part[1]:
        value = value[number]
    return value


def _set(instance: Json, part: Part, value: Any) -> None:
    name, place = part
    if not place:
        instance[name] = value
        return
    target = instance[name]
    for number in place[:-1]:
        target = target[number]
    target[place[-1]] = value
