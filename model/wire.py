"""Protobuf's wire format, read without the classes that know it: SavedModels and tf.Examples need but a few fields."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


def fields(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield field number and content of a message; numbers come as the varints they are.

    Raises:
        ValueError: the message ends too early, or is none.
    """
    position = 0
    while position < len(body):
        tag, position = varint(body, position)
        if tag & 7 == VARINT:
            start = position
            _, position = varint(body, position)
            yield tag >> 3, body[start:position]
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(tag & 7)
        if tag & 7 == BYTES:
            size, position = varint(body, position)
        if size is None or position + size > len(body):
            raise ValueError("is damaged or cut off")
        yield tag >> 3, body[position : position + size]
        position += size


def varint(body: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length, and where the next value begins."""
    result = shift = 0
    while position < len(body) and shift < 70:
        byte = body[position]
        result |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return result, position
    raise ValueError("is damaged or cut off")
