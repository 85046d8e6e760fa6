"""Records on disk, parted by key: what has the same key lies in the same part, and one part fits in memory."""

import zlib
from collections.abc import Iterator
from pathlib import Path

PART_SIZE = 32 << 20  # bytes of text whose keys and outputs are Python objects at one time
MOST_PARTS = 4096
HELD = 131_072  # records that wait to be written


def part_count(size: int) -> int:
    """Return into how many parts text of a size goes."""
    return min(max(1, -(-size // PART_SIZE)), MOST_PARTS)


def part_of(key: str, parts: int) -> int:
    """Return the part of a key; the same in every run."""
    return zlib.crc32(key.encode(errors="surrogatepass")) % parts if parts > 1 else 0


class Spill:
    """Lines of text in parts, each a file; a part's lines keep their order."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self.paths = [folder / f"{name}-{part:04d}" for part in range(parts)]
        self._lines: list[list[str]] = [[] for _ in range(parts)]
        self._held = 0

    def add(self, part: int, line: str) -> None:
        """Add a line, which ends with its line end."""
        self._lines[part].append(line)
        self._held += 1
        if self._held >= HELD:
            self.flush()

    def flush(self) -> None:
        """Write what waits; no file stays open, for there may be thousands."""
        for path, lines in zip(self.paths, self._lines, strict=True):
            if lines:
                with path.open("a", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
                    file.writelines(lines)
                lines.clear()
        self._held = 0

    def read(self, part: int) -> Iterator[str]:
        """Yield a part's lines without their line ends."""
        if not self.paths[part].exists():
            return
        with self.paths[part].open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            for line in file:
                yield line[:-1]

    def remove(self, part: int) -> None:
        """Delete a part: it is not needed any more."""
        self.paths[part].unlink(missing_ok=True)
