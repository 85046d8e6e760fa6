"""HTTP/1.1 connections within bounds: a request's head is short and comes in time; an answer leaves in one piece."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra.emulator import file_sending

LARGEST_HEAD = 64 << 10  # bytes of address and headers
HEAD_SECONDS = 60.0  # for them to arrive; bodies may take as long as they like
AT_ONCE = 64 << 10  # bytes that are not kept back to go with what follows
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s"
)
TOO_LARGE_BODY = (
    b'{"error":{"code":431,"message":"Address and headers have more than %d bytes.","status":"INVALID_ARGUMENT"}}'
    % LARGEST_HEAD
)


class Coalescing:
    """A transport that sends what is written in one turn of the loop with one system call: head and body together."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data soon, with what else is written now."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what is kept back."""
        if self._pieces:
            self._transport.write(b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0])
            self._pieces.clear()
            self._size = 0

    def close(self) -> None:
        """Send what is kept back, then close."""
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, whose requests' heads are bounded in size and time."""

    head = 0  # bytes of a head that is not whole yet
    in_head = True
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.transport = Coalescing(transport, self.loop)  # type: ignore[assignment]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; close a connection whose head does not end."""
        super().data_received(data)
        if not self.in_head:
            self.head = 0
            return
        self.head += len(data)
        if self.head > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(TOO_LARGE % (len(TOO_LARGE_BODY), TOO_LARGE_BODY))
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Know a request's head."""
        self.in_head = False
        self._stop_waiting()
        super().on_headers_complete()
        self.scope["extensions"] = file_sending.extension(self.cycle, self.loop)  # type: ignore[typeddict-item]

    def _expect_head(self) -> None:
        self.in_head, self.head = True, 0
        if self.deadline is None:
            self.deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None
