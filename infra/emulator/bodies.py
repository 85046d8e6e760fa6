"""A JSON request's body, read whole and bounded."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from infra.emulator.dispatch import LARGEST_BODY
from infra.emulator.errors import ApiError


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """Read a body; of one that is too large nothing is kept, but all is read: clients send first, then listen.

    Raises:
        ApiError: 413.
        ClientDisconnect: the client went away.
    """
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return b""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
    if size > LARGEST_BODY:
        raise ApiError(413, f"Request payload size exceeds the limit: {LARGEST_BODY} bytes.", reason="uploadTooLarge")
    return b"".join(chunks)
