"""Resumable uploads: begun with a POST, sent by PUTs with Content-Range, asked about, cancelled."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from infra.emulator import storage_sessions as sessions
from infra.emulator.calls import Cloud
from infra.emulator.dispatch import json_response
from infra.emulator.errors import invalid
from infra.emulator.objects import Placing, discarding, place, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import BlobWriter, publish
from infra.emulator.storage_conditions import conditions_of
from infra.emulator.storage_multipart import parsed, small_body
from infra.emulator.storage_sessions import CANCELLED, DONE, OPEN, Session
from infra.emulator.storage_uploads import Upload, answer, check_sums, check_upload, checked_fields, pump, upload_of

_turns = count(1)  # in the order of arrival: of two requests for one upload the later one writes
QUANTUM = 256 * 1024  # all but the last chunk have at least this many bytes


@dataclass(frozen=True)
class Span:
    """A Content-Range: the bytes of this request (None: it only asks), and how many the whole has, where known."""

    start: int | None
    end: int | None
    total: int | None


def span_of(text: str, length: int | None) -> Span:
    """Read `bytes 0-9/10`, `bytes 0-9/*`, `bytes */10` or `bytes */*`; without a header the body is the whole.

    Raises:
        ApiError: 400, it is none of these, or the numbers contradict each other.
    """
    if not text:
        return Span(0, length, length)
    match = re.fullmatch(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", text.strip(), re.ASCII)
    if match:
        total = None if match[3] == "*" else int(match[3])
        if match[1] is None:
            return Span(None, None, total)
        start, end = int(match[1]), int(match[2]) + 1
        if start < end and (total is None or end <= total):
            return Span(start, end, total)
    msg = f"Failed to parse Content-Range header: {text!r}"
    raise invalid(msg, reason="badContentRange")


async def begin(request: Request) -> Response:
    """Begin an upload: answer the address that its bytes go to."""
    fields = checked_fields(request, parsed(await small_body(request)))
    if content_type := request.headers.get("x-upload-content-type"):
        fields.setdefault("contentType", content_type)
    upload = upload_of(request, fields)
    session = await _begun(request, upload)
    name = quote(upload.name, safe="")
    path = f"/upload/storage/v1/b/{upload.bucket}/o?uploadType=resumable&name={name}&upload_id={session}"
    base = f"http://{request.headers['host']}"
    return Response(headers={"location": base + path, "x-guploader-uploadid": session})


async def begin_named(request: Request, upload: Upload) -> Response:
    """Begin an upload of the XML API, whose address names the object."""
    session = await _begun(request, upload)
    address = f"http://{request.headers['host']}/{upload.bucket}/{quote(upload.name)}?upload_id={session}"
    return Response(status_code=201, headers={"location": address, "x-guploader-uploadid": session})


async def _begun(request: Request, upload: Upload) -> str:
    await asyncio.to_thread(check_upload, upload)
    total = request.headers.get("x-upload-content-length", "")
    return await asyncio.to_thread(sessions.begin, upload.cloud, {**upload.said(), "total": total})


async def send(request: Request) -> Response:
    """Take a chunk, or say how far the upload is; the answer to the last chunk is the object."""
    turn = next(_turns)
    session = await asyncio.to_thread(_load, request)
    upload = _upload(request, session)
    if session.state != OPEN:
        return await asyncio.to_thread(_finished, upload, session)
    length = request.headers.get("content-length")
    span = span_of(request.headers.get("content-range", ""), int(length) if length else None)
    if span.start is not None:
        await _append(session, span, request.stream(), turn)
    return await asyncio.to_thread(_progressed, upload, session, span)


async def cancel(request: Request) -> Response:
    """Give an upload up; its bytes are removed."""
    session = await asyncio.to_thread(_load, request)
    await asyncio.to_thread(_cancel, session)
    return Response(status_code=499)


async def _append(session: Session, span: Span, chunks: AsyncIterator[bytes], turn: int) -> None:
    """Write a chunk behind what is there; bytes that are there already are skipped."""
    writer = await asyncio.to_thread(_take, session, span, turn)
    start = span.start or 0
    skip, seen = session.received - start, 0

    def write(*pieces: bytes) -> None:
        nonlocal seen
        with session.progress.lock:
            if session.progress.writer != turn:
                raise sessions.taken_over()
            fresh = []
            for data in pieces:
                room = None if span.end is None else max(span.end - start - seen, 0)
                fresh.append(data[:room][max(skip - seen, 0) :])
                seen += len(data)
            writer.write(*fresh)

    try:
        await pump(chunks, write)
    finally:
        writer.file.close()
    if span.end is not None and seen != span.end - start:
        msg = f"Content-Range announced {span.end - start} bytes, the body has {seen}."
        raise invalid(msg, reason="badContentRange")


def _take(session: Session, span: Span, turn: int) -> BlobWriter:
    """Become the writer of an upload; an earlier request that still hangs loses its place."""
    start, received = span.start or 0, session.received
    if start > received:
        msg = (
            f"Invalid request. According to the Content-Range header, the upload offset is {start} byte(s), which"
            f" exceeds already uploaded size of {received} byte(s)."
        )
        raise invalid(msg, reason="badContentRange")
    if span.end is not None and span.end - start < QUANTUM and span.end != span.total:
        msg = (
            f"Invalid request. The number of bytes uploaded is required to be equal or greater than {QUANTUM}, except"
            f" for the final request (it's recommended to be the exact multiple of {QUANTUM}). The received request"
            f" contained {span.end - start} bytes, which does not meet this requirement."
        )
        raise invalid(msg, reason="badRequest")
    with session.progress.lock:
        if turn < session.progress.writer or sessions.load(session.cloud, session.id).state != OPEN:
            raise sessions.taken_over()
        session.progress.writer = turn
        if span.total is not None and _announced(session) is None:  # known after a crash too, when all bytes are there
            sessions.note(session, OPEN, {**session.body, "total": str(span.total)})
        return session.open()


def _progressed(upload: Upload, session: Session, span: Span) -> Response:
    """Answer 308 with what is there, or make the object when all is."""
    with session.progress.lock:
        session = sessions.load(upload.cloud, session.id)  # the state may have changed while this one waited
        received = session.received
        total = span.total if span.total is not None else _announced(session)
        if session.state != OPEN:
            return _finished(upload, session)
        if total is None or received < total:
            headers = {"range": f"bytes=0-{received - 1}"} if received else {}
            return Response(status_code=308, headers={**headers, "x-guploader-uploadid": session.id})
        if received > total:
            msg = f"The upload has {received} bytes, more than the {total} that it was to have."
            raise invalid(msg, reason="badRequest")
        return _finish(upload, session)


def _announced(session: Session) -> int | None:
    total = session.body.get("total", "")
    return int(total) if total.isdecimal() else None


def _finish(upload: Upload, session: Session) -> Response:
    """Make the object and end the upload, both or neither."""
    cloud, body = upload.cloud, session.body
    with discarding(cloud) as freed:
        writer = session.open()
        try:
            blob = publish(cloud.state, writer)
        finally:
            writer.file.close()
        freed.append(blob.key)
        check_sums(upload, blob.sums)
        to = Placing(cloud, body["bucket"], body["name"], body["fields"], conditions_of(body["query"]))
        with cloud.resources.transaction():
            found = place(to, blob, freed)
            sessions.note(session, DONE, {**body, "generation": found.generation})
    sessions.forget(session)
    return json_response(answer(upload, found))


def _finished(upload: Upload, session: Session) -> Response:
    """Answer a request for an upload that is over: with the object, or that it was cancelled."""
    if session.state == CANCELLED:
        return Response(status_code=499)
    body = session.body
    return json_response(answer(upload, require_object(upload.cloud, body["bucket"], body["name"], body["generation"])))


def _cancel(session: Session) -> None:
    with session.progress.lock:
        session.progress.writer = next(_turns)
        sessions.note(session, CANCELLED, session.body)
        sessions.forget(session)


def _load(request: Request) -> Session:
    cloud: Cloud = request.app.state.cloud
    return sessions.load(cloud, request.query_params["upload_id"])


def _upload(request: Request, session: Session) -> Upload:
    """Return the upload as its first request described it, with this request's headers (checksums come last)."""
    said: Json = session.body
    return Upload(request.app.state.cloud, said["bucket"], said["query"], dict(request.headers), said["fields"])
