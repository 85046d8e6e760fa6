"""What `--target` names: URNs, or patterns in which `*` stays within a part of a URN and `**` does not."""

import re
from collections.abc import Iterable

from infra.engine.state import ResourceState, needs


class Targets:
    """The resources that a deployment may touch; all of them where none is named."""

    def __init__(self, texts: Iterable[str], dependents: bool = False) -> None:
        self._texts = tuple(texts)
        self._patterns = [_pattern(text) for text in self._texts]
        self._dependents = dependents
        self._found: set[str] = set()

    def __bool__(self) -> bool:
        """Tell whether any is named."""
        return bool(self._texts)

    def name(self, urn: str) -> bool:
        """Tell whether a resource is named."""
        return not self or any(pattern.fullmatch(urn) for pattern in self._patterns)

    def cover(self, state: ResourceState) -> bool:
        """Tell whether a resource is named, or depends on one that is where that counts."""
        covered = self.name(state.urn) or (self._dependents and bool(needs(state) & self._found))
        if covered:
            self._found.add(state.urn)
        return covered

    def unknown(self, urns: Iterable[str]) -> list[str]:
        """Return the whole URNs among the targets that are not in a list."""
        known = set(urns)
        return [text for text in self._texts if "*" not in text and text not in known]


def _pattern(text: str) -> re.Pattern[str]:
    parts = (".*" if part == "**" else "[^:]*" if part == "*" else re.escape(part) for part in _split(text))
    return re.compile("".join(parts), re.DOTALL)


def _split(text: str) -> list[str]:
    return re.split(r"(\*\*|\*)", text)
