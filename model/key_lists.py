"""Keys of one oddity: counted, the first of them kept for the summary, all of them in a file."""

from pathlib import Path
from typing import Any

import orjson

from model.line_keys import key_value
from model.reading import LISTED

HELD = 10_000  # lines that wait to be written


class KeyList:
    """A list of keys on disk, one JSON object a line; no file where there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first: list[Any] = []
        self._lines: list[bytes] = []

    def add(self, key: str | None, **facts: int) -> None:
        """Add a key's JSON text, and what else is known of it."""
        value = None if key is None else key_value(key)
        self.count += 1
        if len(self.first) < LISTED:
            self.first.append(value)
        self._lines.append(orjson.dumps({"key": value, **facts}, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._lines) >= HELD:
            self.close()

    def close(self) -> None:
        """Write what waits."""
        if self._lines:
            with self.path.open("ab") as file:
                file.writelines(self._lines)
            self._lines.clear()
