"""Properties whose changes a program asks to ignore: their old values are put back, path by path."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.engine.errors import StepError
from infra.engine.paths import WILDCARD, Path, parse
from infra.engine.providers import Properties
from infra.engine.wire import SECRET, secret, signed


def keep_old(inputs: Properties, old: Properties, paths: Iterable[str]) -> Properties:
    """Put the old values back where a program asked to ignore changes.

    Raises:
        StepError: where a path leads through something that only one of the two has.
    """
    kept = copy.deepcopy(inputs)
    broken = [path for path in paths if not _reset(_Pair(old, kept), parse(path))]
    if broken:
        msg = "cannot ignore changes to the following properties because one or more elements of the path are missing"
        raise StepError(f"{msg}: {', '.join(map(repr, broken))}")
    return kept


@dataclass(frozen=True)
class _Pair:
    """The old and the new value at one place, and whether either is inside a secret."""

    old: Any
    new: Any
    old_secret: bool = False
    new_secret: bool = False

    def at(self, key: Any) -> "_Pair":
        """Go one step down; what the old value lacks is None there."""
        known = key in self.old if isinstance(self.old, dict) else True
        (old, hidden), (new, covered) = _opened(self.old[key] if known else None), _opened(self.new[key])
        return _Pair(old, new, self.old_secret or hidden, self.new_secret or covered)

    def put_back(self, key: Any) -> None:
        """Take the old value over, never out of a secret into the open."""
        value = self.old[key]
        self.new[key] = secret(value) if self.old_secret and not self.new_secret else value

    def both(self, kind: type) -> bool:
        """Tell whether both values are of a kind."""
        return isinstance(self.old, kind) and isinstance(self.new, kind)

    def neither(self, kind: type) -> bool:
        """Tell whether no value is of a kind."""
        return not isinstance(self.old, kind) and not isinstance(self.new, kind)


def _opened(value: Any) -> tuple[Any, bool]:
    return (value.get("value"), True) if signed(value, SECRET) else (value, False)


def _reset(pair: _Pair, path: Path) -> bool:
    """Reset one path; False where it is broken."""
    key, rest = path[0], path[1:]
    if key == WILDCARD:
        return _reset_each(pair, rest) if rest else _reset_all(pair)
    if isinstance(key, int):
        return _reset_item(pair, key, rest)
    if not rest:
        return _reset_key(pair, key)
    if not pair.both(dict):
        return pair.neither(dict)
    return _reset(pair.at(key), rest) if key in pair.new else key not in pair.old


def _reset_key(pair: _Pair, key: str) -> bool:
    if isinstance(pair.old, dict) and key in pair.old:
        if not isinstance(pair.new, dict):
            return False
        pair.put_back(key)
    elif isinstance(pair.new, dict):
        pair.new.pop(key, None)
    return True


def _reset_item(pair: _Pair, index: int, rest: Path) -> bool:
    if not pair.both(list):
        return pair.neither(list)
    inside = [index < len(items) for items in (pair.old, pair.new)]
    if not all(inside):
        return not rest and not any(inside)  # no place can be added to a list, or taken from it
    if rest:
        return _reset(pair.at(index), rest)
    pair.put_back(index)
    return True


def _reset_all(pair: _Pair) -> bool:
    if pair.both(dict):
        for key in {**pair.old, **pair.new}:
            _reset_key(pair, key)
    if pair.both(list):
        return len(pair.old) == len(pair.new) and all(_reset_item(pair, index, ()) for index in range(len(pair.old)))
    return isinstance(pair.new, dict | list)


def _reset_each(pair: _Pair, rest: Path) -> bool:
    if pair.both(dict):
        return all(key in pair.new and _reset(pair.at(key), rest) for key in pair.old)
    same = pair.both(list) and len(pair.old) == len(pair.new)
    return same and all(_reset(pair.at(index), rest) for index in range(len(pair.old)))
