"""The XML API's multipart uploads: parts sent at the same time in any order, joined when all are there."""

import asyncio
import contextlib
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from infra.emulator import storage_sessions as sessions
from infra.emulator.calls import Cloud
from infra.emulator.errors import invalid, not_found
from infra.emulator.objects import Placing, discarding, place
from infra.emulator.storage_blobs import BlobWriter, Checksums, new_key, open_writer, pieces, publish, upload_path
from infra.emulator.storage_conditions import conditions_of
from infra.emulator.storage_resource import object_etag
from infra.emulator.storage_sessions import DONE, Session
from infra.emulator.storage_uploads import Upload, check_sums, check_upload, pump, upload_of

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MOST_PARTS = 10_000


def begin(upload: Upload) -> str:
    """Begin an upload; return the answer that names it."""
    check_upload(upload)
    session = sessions.begin(upload.cloud, {**upload.said(), "parts": True})
    return _result("InitiateMultipartUploadResult", upload, f"<UploadId>{session}</UploadId>")


async def put(request: Request, cloud: Cloud, session: str) -> Response:
    """Take a part; the same number again replaces it."""
    number = request.query_params.get("partNumber", "")
    if not number.isdecimal() or not 0 < int(number) <= MOST_PARTS:
        msg = f"Part number {number!r} is not between 1 and {MOST_PARTS}."
        raise invalid(msg)
    await asyncio.to_thread(load, cloud, session)
    writer = await asyncio.to_thread(open_writer, cloud.state, f"{session}.{new_key()}")
    try:
        await pump(request.stream(), writer.write)
        return await asyncio.to_thread(_keep_part, upload_of(request), (session, int(number)), writer)
    except BaseException:
        await asyncio.to_thread(writer.discard)
        raise


def complete(upload: Upload, session_id: str, body: bytes) -> str:
    """Join the parts that the body names into the object."""
    cloud = upload.cloud
    session = load(cloud, session_id)
    files = _files(cloud, session_id, body)
    with discarding(cloud) as freed:
        writer = open_writer(cloud.state, checksums=Checksums(md5=None))
        try:
            for name in files:
                with upload_path(cloud.state, name).open("rb") as file:
                    for data in pieces(file):
                        writer.write(data)
            blob = publish(cloud.state, writer)
        finally:
            writer.discard()
        freed.append(blob.key)
        said = session.body
        fields = {**said["fields"], "componentCount": len(files)}
        to = Placing(cloud, said["bucket"], said["name"], fields, conditions_of(said["query"]))
        with cloud.resources.transaction():
            found = place(to, blob, freed)
            sessions.note(session, DONE, {**said, "generation": found.generation})
    _drop(cloud, session_id)
    return _result("CompleteMultipartUploadResult", upload, f"<ETag>{escape(object_etag(found))}</ETag>")


def abort(cloud: Cloud, session_id: str) -> None:
    """Give an upload up and remove its parts."""
    session = load(cloud, session_id)
    sessions.note(session, sessions.CANCELLED, session.body)
    _drop(cloud, session_id)


def _keep_part(request: Upload, key: tuple[str, int], writer: BlobWriter) -> Response:
    writer.file.close()
    sums = writer.checksums.sums()
    check_sums(request, sums)
    row = (*key, writer.path.name, writer.checksums.md5.hexdigest(), writer.checksums.size)
    cloud = request.cloud
    with cloud.resources.transaction():
        old = cloud.resources.execute("SELECT file FROM storage_parts WHERE session = ? AND number = ?", key)
        cloud.resources.execute("INSERT OR REPLACE INTO storage_parts VALUES (?, ?, ?, ?, ?)", row)
    for (name,) in old:
        upload_path(cloud.state, name).unlink(missing_ok=True)
    headers = {"etag": f'"{row[3]}"', "x-goog-hash": f"crc32c={sums.crc32c},md5={sums.md5}"}
    return Response(headers=headers)


def load(cloud: Cloud, session_id: str) -> Session:
    """Return an upload that is under way. Raises ApiError 404."""
    session = sessions.load(cloud, session_id)
    if session.state != sessions.OPEN:
        msg = f"The upload {session_id!r} is over: {session.state}."
        raise not_found(msg)
    return session


def _files(cloud: Cloud, session_id: str, body: bytes) -> list[str]:
    """Return the files of the parts that a completion names, in the order of their numbers."""
    stored = {
        number: (name, md5)
        for number, name, md5 in cloud.resources.execute(
            "SELECT number, file, md5 FROM storage_parts WHERE session = ?", (session_id,)
        )
    }
    named = _named_parts(body)
    for number, etag in named:
        if number not in stored or stored[number][1] != etag.strip('"'):
            msg = f"Part {number} with ETag {etag} was not uploaded."
            raise invalid(msg)
    if not named or named != sorted(named):
        msg = "The parts must be named, in the order of their numbers."
        raise invalid(msg)
    return [stored[number][0] for number, _ in named]


def _named_parts(body: bytes) -> list[tuple[int, str]]:
    with contextlib.suppress(ElementTree.ParseError, ValueError, TypeError):
        root = ElementTree.fromstring(body)  # noqa: S314 - Python's expat refuses entities that blow up
        values = [{child.tag.rpartition("}")[2]: child.text or "" for child in part} for part in root]
        return [(int(part.get("PartNumber", "")), part.get("ETag", "")) for part in values]
    msg = "The body is not a CompleteMultipartUpload document."
    raise invalid(msg)


def _drop(cloud: Cloud, session_id: str) -> None:
    rows = cloud.resources.execute("DELETE FROM storage_parts WHERE session = ? RETURNING file", (session_id,))
    for (name,) in rows:
        upload_path(cloud.state, name).unlink(missing_ok=True)


def _result(kind: str, upload: Upload, content: str) -> str:
    place_of = f"<Bucket>{upload.bucket}</Bucket><Key>{escape(upload.name)}</Key>"
    return f"<{kind} xmlns='{NAMESPACE}'>{place_of}{content}</{kind}>"
