"""A compressed input, read as far as it is sound."""

import gzip
import io
import zlib

from model.batch_predict.inputs import InputFile

UNLIKE_CHECKSUM = ("CRC check failed", "Incorrect length of data")  # as Python's gzip says it


class GzipStream(io.RawIOBase):
    """A gzip file that ends where its data is damaged, and then says so."""

    def __init__(self, file: InputFile) -> None:
        super().__init__()
        self._packed = file.open()
        self._file = gzip.GzipFile(fileobj=self._packed)
        self.damage: tuple[str, str] | None = None

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
            what = "the compressed file ends or is damaged here"
            if str(error).startswith(UNLIKE_CHECKSUM):  # known at the end only, of all that was read before
                what = "the compressed file does not match its checksum, and any line of it may be wrong"
            self.damage = ("DAMAGED_INPUT", f"{what}: {error}")
            return 0
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file below too."""
        self._file.close()
        self._packed.close()
        super().close()
