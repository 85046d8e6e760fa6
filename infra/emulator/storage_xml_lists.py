"""`GET /<bucket>`: a bucket's objects as the XML API lists them, in its first and second version."""

from collections.abc import Callable
from itertools import islice
from urllib.parse import quote
from xml.sax.saxutils import escape

from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError, invalid
from infra.emulator.methods import SETTINGS
from infra.emulator.objects import require_bucket
from infra.emulator.storage_catalog import StoredObject, successor
from infra.emulator.storage_conditions import Query, first, integer
from infra.emulator.storage_listing import Entry, entries, listing_of
from infra.emulator.storage_pages import LARGEST_PAGE, encode_token
from infra.emulator.storage_resource import object_etag
from infra.emulator.storage_xml_uploads import bucket_setting

NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
SUBRESOURCES = SETTINGS | {"uploads", "versions"}


def list_bucket(cloud: Cloud, bucket: str, query: Query) -> str:
    """Return the ListBucketResult of a bucket, or what else a parameter of its address asks for."""
    require_bucket(cloud, bucket)
    if asked := SUBRESOURCES & set(query):
        return bucket_setting(cloud, bucket, min(asked), query)
    second = first(query, "list-type") == "2"
    limit = _limit(query)
    token = first(query, "continuation-token") if second else ""
    after = first(query, "start-after" if second else "marker")
    asked_for = {
        "prefix": query.get("prefix", [""]),
        "delimiter": query.get("delimiter", [""]),
        "pageToken": [token or _behind(after, first(query, "delimiter"))],
    }
    page = list(islice(entries(cloud, bucket, listing_of(asked_for)), limit + 1))
    more = len(page) > limit > 0
    head = {
        "Name": bucket,
        "Prefix": first(query, "prefix"),
        "Delimiter": first(query, "delimiter"),
        "MaxKeys": str(limit),
        "IsTruncated": str(more).lower(),
    }
    if second:
        head |= {"KeyCount": str(min(len(page), limit)), "ContinuationToken": token, "StartAfter": after}
        head |= {"NextContinuationToken": encode_token(*page[limit].at)} if more else {}
    else:
        head |= {"Marker": after}
        head |= {"NextMarker": _name(page[limit - 1])} if more else {}
    return _document(head, page[:limit], _encoding(query))


def _behind(name: str, delimiter: str) -> str:
    """Return the token of the place behind a name, or behind all below it where it is a prefix."""
    if not name:
        return ""
    folded = bool(delimiter) and name.endswith(delimiter)
    return encode_token((successor(name.encode()) if folded else None) or name.encode() + b"\0", 0)


def _document(head: dict[str, str], page: list[Entry], encoded: Callable[[str], str]) -> str:
    named = {"Prefix", "Marker", "NextMarker", "StartAfter", "Delimiter"}
    lines = [_element(name, encoded(value) if name in named else value) for name, value in head.items() if value]
    lines += [_contents(entry.item, encoded) for entry in page if entry.item]
    prefixes = dict.fromkeys(entry.prefix for entry in page if entry.prefix)
    lines += [f"<CommonPrefixes>{_element('Prefix', encoded(prefix))}</CommonPrefixes>" for prefix in prefixes]
    return f"<ListBucketResult xmlns='{NAMESPACE}'>{''.join(lines)}</ListBucketResult>"


def _contents(found: StoredObject, encoded: Callable[[str], str]) -> str:
    fields = {
        "Key": encoded(found.name),
        "Generation": str(found.generation),
        "MetaGeneration": str(found.metageneration),
        "LastModified": found.body["updated"][:23] + "Z",
        "ETag": f'"{object_etag(found)}"',
        "Size": str(found.size),
        "StorageClass": found.body["storageClass"],
    }
    return f"<Contents>{''.join(_element(name, value) for name, value in fields.items())}</Contents>"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _encoding(query: Query) -> Callable[[str], str]:
    """Return how names are written: as they are, or percent-encoded where the caller wants that."""
    wanted = first(query, "encoding-type")
    if wanted not in {"", "url"}:
        raise invalid(f"encoding-type is {wanted!r}; only url is known.")
    return (lambda text: quote(text, safe="/")) if wanted else (lambda text: text)


def _limit(query: Query) -> int:
    limit = integer(query, "max-keys")
    if limit is not None and limit < 0:
        raise ApiError(400, f"max-keys is {limit}; it cannot be negative.")
    return LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE)


def _name(entry: Entry) -> str:
    return entry.prefix or (entry.item.name if entry.item else "")
