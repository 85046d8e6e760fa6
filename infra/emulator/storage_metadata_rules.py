"""What an object's metadata may hold, however it is written: storage classes, sizes, what a header can carry.

Sizes: https://cloud.google.com/storage/quotas
"""

import re

from infra.emulator.errors import invalid
from infra.emulator.resources import Json
from infra.emulator.storage_bucket_rules import STORAGE_CLASSES

LARGEST_CUSTOM = 8 * 1024  # bytes of names and values of an object's own metadata
HEADERS = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType")
TOO_LARGE = "The metadata of the object is too large"


def checked_metadata(body: Json) -> Json:
    """Return an object's fields with the storage class as the service writes it. Raises ApiError 400."""
    custom = body.get("metadata") or {}
    size = sum(len(name.encode()) + len(str(value).encode()) for name, value in custom.items())
    if size > LARGEST_CUSTOM:
        msg = f"{TOO_LARGE}: {size} bytes of custom metadata, at most {LARGEST_CUSTOM} are allowed."
        raise invalid(msg, reason="invalid")
    for name in HEADERS:
        if re.search(r"[\x00-\x1f\x7f]", str(body.get(name) or "")):
            raise invalid(f"Invalid value for {name}: {body[name]!r} holds control characters.", reason="invalid")
    if "storageClass" not in body:
        return body
    storage_class = str(body["storageClass"]).upper()
    if storage_class not in STORAGE_CLASSES:
        raise invalid(f"Invalid storage class {body['storageClass']!r}", reason="invalid")
    return {**body, "storageClass": storage_class}
