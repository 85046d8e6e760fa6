"""A part of a file as the answer to a request: with the head if it is small, else straight into the connection."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import IO

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.emulator.file_sending import EXTENSION
from infra.emulator.storage_blobs import PIECE

SMALL = 64 << 10  # bytes that go out together with the answer's head


def file_range(file: IO[bytes], start: int, length: int, status: int, headers: Mapping[str, str]) -> Response:
    """Answer `length` bytes of an open file, which is closed in the end; the caller gives the header content-length."""
    if length > SMALL:
        return FileRange(file, start, length, status, headers)
    with file:
        file.seek(start)
        return Response(file.read(length), status, headers)


class FileRange(Response):
    """Bytes of a file on their way out; they are never all in memory."""

    def __init__(self, file: IO[bytes], start: int, length: int, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, status, headers)
        self.file = file
        self.start = start
        self.length = length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send head and bytes."""
        with self.file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if send_file := scope.get("extensions", {}).get(EXTENSION):
                await send_file(file, self.start, self.length)
            else:
                async for data in _pieces(file, self.start, self.length):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pieces(file: IO[bytes], start: int, length: int) -> AsyncIterator[bytes]:
    """Read a part of a file, a piece at a time and off the event loop."""
    file.seek(start)
    while length > 0:
        data = await asyncio.to_thread(file.read, min(PIECE, length))
        if not data:
            return
        length -= len(data)
        yield data
