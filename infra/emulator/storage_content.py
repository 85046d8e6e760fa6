"""An object's bytes on their way out: ranges, the service's headers, gzip taken off for clients that want it so."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import IO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from infra.emulator.calls import Cloud
from infra.emulator.file_ranges import file_range
from infra.emulator.objects import require_object
from infra.emulator.storage_blobs import PIECE
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Query, condition_not_met, conditions_of, integer
from infra.emulator.storage_customer_keys import check_key, key_headers
from infra.emulator.storage_resource import object_etag


def object_content(
    cloud: Cloud, bucket: str, name: str, query: Query, headers: Mapping[str, str], *, head: bool = False
) -> Response:
    """Answer a read of an object's bytes."""
    found, file = open_object(cloud, bucket, name, integer(query, "generation"))
    try:
        check_key(found, headers)
        conditions = conditions_of(query, headers=headers)
        changed = datetime.fromisoformat(found.body["updated"]).replace(microsecond=0)
        if conditions.excludes(found) or _is_not_after(changed, headers.get("if-modified-since")):
            file.close()
            return Response(status_code=304, headers={"etag": object_etag(found)})
        conditions.check(found)
        if "if-unmodified-since" in headers and not _is_not_after(changed, headers["if-unmodified-since"]):
            raise condition_not_met()
        return _content(found, file, headers, query, head=head)
    except BaseException:
        file.close()
        raise


def _is_not_after(changed: datetime, text: str | None) -> bool:
    """Tell whether a header names a time, and the object was not changed since."""
    try:
        return text is not None and changed <= parsedate_to_datetime(text)
    except (ValueError, TypeError):  # a header that is no time is none
        return False


def open_object(cloud: Cloud, bucket: str, name: str, generation: int | None = None) -> tuple[StoredObject, IO[bytes]]:
    """Open an object's bytes; once open they stay readable, whatever happens to the object."""
    while True:
        found = require_object(cloud, bucket, name, generation)
        try:
            return found, found.path.open("rb", buffering=0)
        except FileNotFoundError:  # replaced between the two lines: the next look finds the new one, or none
            if require_object(cloud, bucket, name, generation).blob == found.blob:
                raise


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a Range header means, None where it means the whole (also where it is no range).

    The range is empty where it lies outside of the content: the caller answers 416.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip(), re.ASCII)
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    end = min(int(match[2]) + 1, size) if match[2] else size
    return start, max(start, end)


def _content(found: StoredObject, file: IO[bytes], headers: Mapping[str, str], query: Query, *, head: bool) -> Response:
    answer = content_headers(found, query)
    if _is_taken_off(found, headers) and _is_gzip(file):
        del answer["content-encoding"]
        answer |= {"warning": "214 UploadServer gunzipped", "vary": "Accept-Encoding"}
        return StreamingResponse(_gunzipped(file, head=head), headers=answer)
    part = byte_range(headers.get("range", ""), found.size)
    if part and part[0] >= part[1]:
        file.close()
        return Response("Request range not satisfiable", 416, {"content-range": f"bytes */{found.size}"})
    start, end = part or (0, found.size)
    answer["content-length"] = str(end - start)
    if part:
        answer["content-range"] = f"bytes {start}-{end - 1}/{found.size}"
    return file_range(file, start, 0 if head else end - start, 206 if part else 200, answer)


def _is_taken_off(found: StoredObject, headers: Mapping[str, str]) -> bool:
    """Tell whether a client that did not ask for gzip gets it unpacked, which an object's `no-transform` forbids.

    Source: https://cloud.google.com/storage/docs/transcoding
    """
    wanted = re.search(r"\b(?:x-)?gzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", headers.get("accept-encoding", ""))
    fixed = "no-transform" in found.body.get("cacheControl", "")
    return found.body.get("contentEncoding") == "gzip" and not wanted and not fixed


def _is_gzip(file: IO[bytes]) -> bool:
    """Tell whether the bytes are what the metadata says; if not, they go out as they are."""
    start = file.read(2)
    file.seek(0)
    return start == b"\x1f\x8b"


def content_headers(found: StoredObject, query: Query) -> dict[str, str]:
    """Return the headers that describe an object: what it is, and the service's own."""
    body = found.body
    sums = [f"crc32c={body['crc32c']}"] + ([f"md5={body['md5Hash']}"] if "md5Hash" in body else [])
    updated = format_datetime(datetime.fromisoformat(body["updated"]), usegmt=True)
    headers = {
        "accept-ranges": "bytes",
        "content-type": body["contentType"],
        "etag": object_etag(found),
        "last-modified": updated,
        "x-goog-generation": str(found.generation),
        "x-goog-hash": ",".join(sums),
        "x-goog-metageneration": body["metageneration"],
        "x-goog-storage-class": body["storageClass"],
        "x-goog-stored-content-encoding": body.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(found.size),
        "cache-control": body.get("cacheControl", "no-cache, no-store, max-age=0, must-revalidate"),
        "content-encoding": body.get("contentEncoding", ""),
        "content-disposition": body.get("contentDisposition", ""),
        "content-language": body.get("contentLanguage", ""),
        **key_headers(body),
        **{f"x-goog-meta-{key.lower()}": value for key, value in body.get("metadata", {}).items()},
    }
    overrides = {name: (query.get(f"response-{name}") or [""])[0] for name in ("content-type", "content-disposition")}
    headers |= {name: value for name, value in overrides.items() if value}
    return {_header_text(name): _header_text(value) for name, value in headers.items() if value}


def _header_text(text: str) -> str:
    """Keep what a header can carry; the rest is percent-encoded."""
    return quote(text, safe=" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


async def _gunzipped(file: IO[bytes], *, head: bool) -> AsyncIterator[bytes]:
    """Read a gzip file's content, a piece at a time: a small file can hold gigabytes."""
    with file:
        reader = zlib.decompressobj(wbits=31)
        while not head and not reader.eof:
            data = reader.unconsumed_tail or await asyncio.to_thread(file.read, PIECE)
            if not data:
                return
            yield await asyncio.to_thread(reader.decompress, data, PIECE)
