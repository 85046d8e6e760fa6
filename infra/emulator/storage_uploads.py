"""Uploads in one request: bytes alone (`uploadType=media`), or metadata and bytes (`uploadType=multipart`)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.discovery import document
from infra.emulator.errors import invalid
from infra.emulator.object_access_lists import asked_list, new_list, object_lists
from infra.emulator.objects import check_name, commit, require_bucket
from infra.emulator.partial_response import mask_of, parsed, selected
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import MOST_PIECES, PIECE, BlobWriter, Sums, open_writer, publish
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import ETAG_HEADERS, Query, conditions_of
from infra.emulator.storage_customer_keys import FIELD, sent_key
from infra.emulator.storage_metadata_rules import checked_metadata
from infra.emulator.storage_multipart import RelatedReader
from infra.emulator.storage_projections import is_full
from infra.emulator.storage_resource import WRITABLE, base_address, object_resource
from infra.emulator.strict import check_creation
from infra.emulator.validation import checked_body

GONE = (ClientDisconnect, asyncio.CancelledError)  # the client went away, or the server stops: nobody hears an answer


@dataclass(frozen=True)
class Upload:
    """Where an upload goes, and what the client says about it."""

    cloud: Cloud
    bucket: str
    query: Query
    headers: Mapping[str, str]
    fields: Json

    @property
    def name(self) -> str:
        """The object's name: in the metadata, or in the query."""
        return str(self.fields.get("name") or (self.query.get("name") or [""])[0])

    def said(self) -> Json:
        """Return what a later request needs to know to go on."""
        return {"bucket": self.bucket, "name": self.name, "fields": self.fields, "query": dict(self.query)}


def upload_of(request: Request, fields: Json | None = None) -> Upload:
    """Read an upload from its request."""
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    query |= {name: [request.headers[name]] for name in ETAG_HEADERS if name in request.headers}
    cloud, fields = request.app.state.cloud, fields or {}
    fields = {**fields, FIELD: sent_key(request.headers), **asked_list(cloud, query, fields, request.headers)}
    if encoding := query.get("contentEncoding"):
        fields.setdefault("contentEncoding", encoding[0])
    return Upload(cloud, request.path_params["bucket"], query, dict(request.headers), fields)


def checked_fields(request: Request, body: Any) -> Json:
    """Check an object's metadata as any other request's body; raises ApiError 400."""
    content = document("storage", "v1")
    found = content.find("POST", "b/any/o")
    return checked_body(content, found[0], body, lenient=request.app.state.lenient) if found else {}


def check_upload(upload: Upload) -> None:
    """Refuse what cannot succeed before its bytes are read; `commit` checks again when they are there."""
    new_list(require_bucket(upload.cloud, upload.bucket), upload.fields)
    checked_metadata({name: upload.fields[name] for name in WRITABLE if upload.fields.get(name)})
    check_name(upload.name)
    check_creation(upload.cloud, upload.bucket, upload.name)
    conditions_of(upload.query).check(catalog.find(upload.cloud, upload.bucket, upload.name))


async def insert_media(request: Request) -> Json:
    """Store a body as it is."""
    fields = {"contentType": request.headers.get("content-type") or "application/octet-stream"}
    return await store(upload_of(request, fields), request.stream())


async def insert_related(request: Request) -> Json:
    """Store the second part of a body with the metadata of the first."""
    reader = RelatedReader(aiter(request.stream()), request.headers.get("content-type", ""))
    fields = checked_fields(request, await reader.metadata())
    content_type = await reader.content_type()
    if content_type and not fields.get("contentType"):
        fields["contentType"] = content_type
    return await store(upload_of(request, fields), reader.content())


async def store(upload: Upload, chunks: AsyncIterator[bytes]) -> Json:
    """Write an upload's bytes to disk and make them an object; return its resource."""
    await asyncio.to_thread(check_upload, upload)
    writer = await asyncio.to_thread(open_writer, upload.cloud.state)
    try:
        await pump(chunks, writer.write)
        return await asyncio.to_thread(_finish, upload, writer)
    finally:
        await asyncio.to_thread(writer.discard)


def _finish(upload: Upload, writer: BlobWriter) -> Json:
    blob = publish(upload.cloud.state, writer)
    try:
        check_sums(upload, blob.sums)
    except BaseException:
        catalog.discard_blob(upload.cloud, blob.key)
        raise
    conditions = conditions_of(upload.query)
    return answer(upload, commit(upload.cloud, upload.bucket, upload.name, blob, upload.fields, conditions))


def answer(upload: Upload, found: StoredObject) -> Json:
    """Return what an upload answers."""
    home, base = require_bucket(upload.cloud, found.bucket), base_address(upload.cloud, upload.headers)
    resource = object_resource(found, base, home, upload.headers)
    if is_full(upload.query, unnamed=bool(upload.fields.get("acl"))):
        resource |= object_lists(home, found, base)
    wanted = mask_of(((name, value) for name, values in upload.query.items() for value in values), upload.headers)
    return dict(selected(resource, parsed(wanted))) if wanted else resource


def check_sums(upload: Upload, sums: Sums) -> None:
    """Raise 400 where the bytes are not those that the client meant to send."""
    header = dict(part.strip().partition("=")[::2] for part in upload.headers.get("x-goog-hash", "").split(","))
    for expected in (upload.fields.get("crc32c"), header.get("crc32c")):
        if expected and expected != sums.crc32c:
            msg = f'Provided CRC32C "{expected}" doesn\'t match calculated CRC32C "{sums.crc32c}".'
            raise invalid(msg, reason="invalid")
    for expected in (upload.fields.get("md5Hash"), header.get("md5"), upload.headers.get("content-md5")):
        if expected and expected != sums.md5:
            msg = f'Provided MD5 hash "{expected}" doesn\'t match calculated MD5 hash "{sums.md5}".'
            raise invalid(msg, reason="invalid")


async def pump(chunks: AsyncIterator[bytes], write: Callable[..., None]) -> None:
    """Write a stream, `PIECE` bytes at a time in a thread while the next arrive: at most two such are in memory.

    What arrived before the client went away is written too: a resumable upload goes on from there.
    """
    pieces: list[bytes] = []
    size = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size >= PIECE or len(pieces) == MOST_PIECES:
                if writing:
                    await writing
                writing, pieces, size = asyncio.ensure_future(asyncio.to_thread(write, *pieces)), [], 0
    finally:
        if writing:
            await writing
        if pieces:
            await asyncio.to_thread(write, *pieces)
