"""Objects and buckets as JSON: what a client may write, what the service adds."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from infra.emulator import clock
from infra.emulator.calls import Call, Cloud
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_customer_keys import without_sums
from infra.emulator.storage_holds import RELEASED, retention_expires

# What a client may set on an object. The rest of the resource is the service's.
WRITABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "eventBasedHold",
    "metadata",
    "retention",
    "storageClass",
    "temporaryHold",
)
# Kept with a resource and not part of it: access lists are told where they are asked for.
DEFAULT_LIST, LIST, OWNED_BY = "defaultObjectAccessList", "accessList", "ownedBy"
HIDDEN = frozenset({DEFAULT_LIST, LIST, OWNED_BY, RELEASED, "project"})


def base_address(cloud: Cloud, headers: Mapping[str, str]) -> str:
    """Return the address by which the client reached us: links in answers begin with it."""
    host = headers.get("host")
    return f"http://{host}" if host else cloud.url


def base_of(call: Call) -> str:
    """Return the address by which a call reached us."""
    return base_address(call.cloud, call.headers)


def object_resource(
    found: StoredObject, base: str, bucket: Json, headers: Mapping[str, str] = MappingProxyType({})
) -> Json:
    """Return an object's resource with its names and links, and until when its bucket retains it.

    The headers may hold the key that the object is encrypted with, without which its checksums stay hidden.
    """
    path = f"b/{found.bucket}/o/{quote(found.name, safe='')}"
    until = retention_expires(bucket, found.body)
    resource = {
        "kind": "storage#object",
        "id": f"{found.bucket}/{found.name}/{found.generation}",
        "selfLink": f"{base}/storage/v1/{path}",
        "mediaLink": f"{base}/download/storage/v1/{path}?generation={found.generation}&alt=media",
        "name": found.name,
        "bucket": found.bucket,
        "size": str(found.size),
        "etag": object_etag(found),
        **{name: value for name, value in found.body.items() if name not in HIDDEN},
        **({"retentionExpirationTime": clock.text(until)} if until else {}),
    }
    return without_sums(found, headers, resource)


def bucket_resource(body: Json, base: str) -> Json:
    """Return a bucket's resource with its links and etag."""
    etag = etag_of(int(body["metageneration"]))
    return {
        "kind": "storage#bucket",
        "id": body["name"],
        "selfLink": f"{base}/storage/v1/b/{body['name']}",
        "etag": etag,
        **{name: value for name, value in body.items() if name not in HIDDEN},
    }


def object_etag(found: StoredObject) -> str:
    """Return an object's etag: it changes with the content and with the metadata."""
    return etag_of(found.generation, found.metageneration)


def etag_of(*numbers: int) -> str:
    """Encode version numbers as the service does: fields of a protocol buffer, in base64 (metageneration 1: `CAE=`)."""
    content = b"".join(bytes([8 * field]) + _varint(number) for field, number in enumerate(numbers, 1))
    return base64.b64encode(content).decode()


def _varint(number: int) -> bytes:
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def merged(old: Json, change: Json) -> Json:
    """Apply a JSON merge patch: null removes, objects merge, everything else replaces."""
    result = dict(old)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = value
    return result
