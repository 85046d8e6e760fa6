"""A multipart/related body, read as it streams in: the object's metadata, then its bytes, never held in memory."""

import re
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request

from infra.emulator.errors import ApiError, invalid

MOST_FIELDS = 100  # of a form
LARGEST_METADATA = 1 << 20  # bytes of JSON; the service takes far less


class RelatedReader:
    """The two parts of an upload, in their order: `metadata` first, then `content_type` and `content`."""

    def __init__(self, stream: AsyncIterator[bytes], content_type: str) -> None:
        self._stream = stream
        self._buffer = b""
        self._boundary = _boundary(content_type)
        self._newline = b"\r\n"

    async def metadata(self) -> Any:
        """Read the first part: JSON."""
        await self._begin()
        await self._headers()
        text = await self._until(self._delimiter)
        await self._until(b"\n")
        return parsed(text)

    async def content_type(self) -> str:
        """Read the second part's headers; return its content type, empty where it names none."""
        return (await self._headers()).get("content-type", "")

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the second part's bytes up to the closing boundary; the rest of the body is read and dropped."""
        mark = self._delimiter
        while (at := self._buffer.find(mark)) < 0:
            whole = len(self._buffer) - len(mark) + 1
            if whole > 0:
                yield self._buffer[:whole]
                self._buffer = self._buffer[whole:]
            await self._more()
        yield self._buffer[:at]
        async for _ in self._stream:
            pass

    async def _begin(self) -> None:
        line = b""
        while not line:
            line = (await self._until(b"\n")).rstrip(b"\r")
        if line.rstrip() != b"--" + self._boundary:
            msg = "Multipart body does not begin with its boundary."
            raise invalid(msg, reason="badRequest")

    @property
    def _delimiter(self) -> bytes:
        return self._newline + b"--" + self._boundary

    async def _headers(self) -> dict[str, str]:
        """Read header lines up to the empty one; they show which line ends the client writes."""
        headers: dict[str, str] = {}
        while True:
            line = await self._until(b"\n")
            self._newline = b"\r\n" if line.endswith(b"\r") else b"\n"
            if not line.strip():
                return headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()

    async def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > LARGEST_METADATA:
                msg = f"Metadata part is too large: more than {LARGEST_METADATA} bytes."
                raise ApiError(413, msg, reason="uploadTooLarge")
            await self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    async def _more(self) -> None:
        async for chunk in self._stream:
            self._buffer += chunk
            return
        msg = "Multipart body ends before its closing boundary."
        raise invalid(msg, reason="badRequest")


class FormReader(RelatedReader):
    """The parts of a browser's form: `fields` first, then the file by `content`."""

    async def fields(self) -> dict[str, str]:
        """Read the fields before the file, names in lower case, and `filename`, which comes with the file."""
        await self._begin()
        found: dict[str, str] = {}
        while len(found) < MOST_FIELDS:
            about = await self._headers()
            names = dict(re.findall(r'\b(name|filename)="([^"]*)"', about.get("content-disposition", "")))
            name = _unicode(names.get("name", "")).lower()
            if name == "file":
                if about.get("content-type"):
                    found.setdefault("content-type", about["content-type"])
                return {**found, "filename": _unicode(names.get("filename", ""))}
            found[name] = (await self._until(self._delimiter)).decode(errors="replace")
            if (await self._until(b"\n")).startswith(b"--"):
                break
        msg = f"The form has no field named 'file' among its first {MOST_FIELDS}."
        raise invalid(msg, reason="badRequest")


def _unicode(header: str) -> str:
    """Read what a browser writes into a part's header: UTF-8."""
    return header.encode("latin-1").decode(errors="replace")


def _boundary(content_type: str) -> bytes:
    found = re.search(r"""boundary=(?:"([^"]+)"|'([^']+)'|([^;\s]+))""", content_type, re.IGNORECASE)
    if not found:
        msg = f"Content-Type {content_type!r} names no boundary: expected multipart/related; boundary=…"
        raise invalid(msg, reason="badRequest")
    return (found[1] or found[2] or found[3]).encode("latin-1")


async def small_body(request: Request, limit: int = LARGEST_METADATA) -> bytes:
    """Read a body that is not an object's content, no further than the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            msg = f"The request's body is too large: more than {limit} bytes."
            raise ApiError(413, msg, reason="uploadTooLarge")
    return bytes(body)


def parsed(text: bytes) -> Any:
    """Read metadata; none is an empty object."""
    try:
        return orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as error:
        msg = f"Invalid JSON in the metadata: {error}"
        raise invalid(msg, reason="parseError") from None
