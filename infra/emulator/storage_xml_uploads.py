"""The XML API's lists of multipart uploads and of their parts, and the bucket settings that S3's clients read first."""

from collections.abc import Iterable
from itertools import islice
from xml.sax.saxutils import escape

import orjson

from infra.emulator.calls import Cloud
from infra.emulator.errors import unimplemented
from infra.emulator.objects import require_bucket
from infra.emulator.storage_conditions import Query, first, integer
from infra.emulator.storage_pages import LARGEST_PAGE
from infra.emulator.storage_parts import NAMESPACE, load
from infra.emulator.storage_sessions import OPEN

Fields = Iterable[tuple[str, str]]


def bucket_setting(cloud: Cloud, bucket: str, name: str, query: Query) -> str:
    """Return what `GET /<bucket>?NAME` asks for. Raises ApiError 501 for what only the JSON API tells here."""
    body = require_bucket(cloud, bucket)
    if name == "location":
        return f"<LocationConstraint>{body['location']}</LocationConstraint>"
    if name == "versioning":
        known = "enabled" in body.get("versioning", {})
        status = "Enabled" if body.get("versioning", {}).get("enabled") else "Suspended"
        return f"<VersioningConfiguration>{_elements([('Status', status)]) if known else ''}</VersioningConfiguration>"
    if name == "uploads":
        return _uploads(cloud, bucket, query)
    raise unimplemented(f"GET /{bucket}?{name} is not implemented by the local cloud. Use the JSON API.")


def _uploads(cloud: Cloud, bucket: str, query: Query) -> str:
    """List the uploads in parts that are under way, by name."""
    prefix, limit = first(query, "prefix"), _limit(query, "max-uploads")
    marker = (first(query, "key-marker"), first(query, "upload-id-marker"))
    rows = cloud.resources.execute("SELECT id, body FROM storage_sessions WHERE state = ?", (OPEN,))
    bodies = [(session, orjson.loads(content)) for session, content in rows]
    found = sorted(
        (body["name"], session, body["created"])
        for session, body in bodies
        if body.get("parts") and body["bucket"] == bucket and body["name"].startswith(prefix)
    )
    behind = [one for one in found if (one[0], one[1]) > marker and (marker[1] or one[0] != marker[0])]
    page, more = behind[:limit], len(behind) > limit
    head = [("Bucket", bucket), ("Prefix", prefix), ("MaxUploads", str(limit)), ("IsTruncated", str(more).lower())]
    head += [("NextKeyMarker", page[-1][0]), ("NextUploadIdMarker", page[-1][1])] if more and page else []
    listed = [[("Key", name), ("UploadId", session), ("Initiated", created)] for name, session, created in page]
    return _document("ListMultipartUploadsResult", head, "Upload", listed)


def parts_of(cloud: Cloud, bucket: str, name: str, session: str, query: Query) -> str:
    """List the parts that an upload has, by number."""
    load(cloud, session)
    limit, marker = _limit(query, "max-parts"), integer(query, "part-number-marker") or 0
    sql = "SELECT number, md5, size FROM storage_parts WHERE session = ? AND number > ? ORDER BY number"
    rows = list(islice(cloud.resources.execute(sql, (session, marker)), limit + 1))
    page, more = rows[:limit], len(rows) > limit
    head = [("Bucket", bucket), ("Key", name), ("UploadId", session), ("MaxParts", str(limit))]
    head += [("IsTruncated", str(more).lower())]
    head += [("NextPartNumberMarker", str(page[-1][0]))] if more and page else []
    listed = [[("PartNumber", str(number)), ("ETag", f'"{md5}"'), ("Size", str(size))] for number, md5, size in page]
    return _document("ListPartsResult", head, "Part", listed)


def _limit(query: Query, name: str) -> int:
    return min(max(integer(query, name) or LARGEST_PAGE, 1), LARGEST_PAGE)


def _document(kind: str, head: Fields, item: str, listed: Iterable[Fields]) -> str:
    items = "".join(f"<{item}>{_elements(fields)}</{item}>" for fields in listed)
    return f"<{kind} xmlns='{NAMESPACE}'>{_elements(head)}{items}</{kind}>"


def _elements(fields: Fields) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields if text)
