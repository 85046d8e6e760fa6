"""A compressed input, read as far as it is sound."""

import gzip
import io
import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from model.batch_predict.inputs import InputFile

NEAR = 1 << 20  # bytes: so near to its true length comes what is damaged, and one cut in four thousand by chance
UNLIKE_CHECKSUM = ("CRC check failed", "Incorrect length of data")  # as Python's gzip says it


@dataclass(frozen=True)
class Damage:
    """Where a compressed file breaks off, and why; `spoils`: what was read before may be wrong too."""

    message: str
    spoils: bool = False

    @property
    def fault(self) -> tuple[str, str]:
        """Code and message of a record."""
        return "DAMAGED_INPUT", self.message


class GzipStream(io.RawIOBase):
    """A gzip file that ends where its data is damaged, and then says so."""

    def __init__(self, file: InputFile) -> None:
        super().__init__()
        self._packed = file.open()
        self._file = gzip.GzipFile(fileobj=self._packed)
        self.damage: Damage | None = None
        self._read = 0  # bytes, as decompressed

    def position(self) -> int:
        """Return how much of the compressed file is read."""
        return self._packed.tell()

    def readable(self) -> bool:
        """Say yes, as buffered readers ask."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as one decompression goes."""
        try:
            data = self._file.read1(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = (self._overrun() if isinstance(error, EOFError) else None) or _damage(error)
            return 0
        if not data and not self.position():
            self.damage = Damage("the compressed file is empty: not even its header is there")
        buffer[: len(data)] = data
        self._read += len(data)
        return len(data)

    def _overrun(self) -> Damage | None:
        """Tell damage that hides where the data ends from a file that was cut off: its last bytes say how much it held.

        Of several files in one only the last says so, and that is of itself alone.
        """
        self._packed.seek(max(0, self._packed.seek(0, os.SEEK_END) - 4))
        told = int.from_bytes(self._packed.read(4), "little")
        if not self._read or abs(told - self._read % (1 << 32)) > NEAR:
            return None
        return Damage(f"the compressed file is damaged: its data runs on over its end, {told:,} bytes", spoils=True)

    def close(self) -> None:
        """Close the file below too."""
        self._file.close()
        self._packed.close()
        super().close()


def buffered(raw: GzipStream) -> BinaryIO:
    """Return a stream for the many small reads of lines and records."""
    return cast(BinaryIO, io.BufferedReader(raw, 1 << 17))


def _damage(error: Exception) -> Damage:
    """Tell a file that ends too early, whose data is sound so far, from one whose data is not what was written."""
    if str(error).startswith(UNLIKE_CHECKSUM):  # known at the end only, of all that was read before
        return Damage(f"the compressed file does not match its checksum: {error}", spoils=True)
    if isinstance(error, zlib.error):
        return Damage(f"the compressed file is damaged: {error}", spoils=True)
    what = "ends here, before its checksum" if isinstance(error, EOFError) else "goes on as something else"
    return Damage(f"the compressed file {what}: {error}")
