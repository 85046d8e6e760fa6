"""Pages of lists: how many items, and the opaque token that says where the next page begins."""

import base64
import binascii

from infra.emulator.errors import invalid
from infra.emulator.storage_conditions import Query, integer

LARGEST_PAGE = 1000


def page_size(query: Query) -> int:
    """Return how many items a page holds: `maxResults`, at most 1,000."""
    wanted = integer(query, "maxResults")
    if wanted is not None and wanted < 0:
        msg = f"Invalid value for parameter maxResults: {wanted}"
        raise invalid(msg, reason="invalidParameter")
    return min(wanted or LARGEST_PAGE, LARGEST_PAGE)


def encode_token(name: bytes, generation: int) -> str:
    """Write the place where the next page begins."""
    return base64.urlsafe_b64encode(f"{generation}:".encode() + name).decode()


def decode_token(token: str) -> tuple[bytes, int]:
    """Read the place where a page begins; without a token that is before everything."""
    if not token:
        return b"", 0
    try:
        generation, _, name = base64.b64decode(token, b"-_", validate=True).partition(b":")
        name.decode()
        return name, int(generation)
    except (binascii.Error, ValueError):
        msg = f"Invalid pageToken {token!r}"
        raise invalid(msg, reason="invalid") from None
