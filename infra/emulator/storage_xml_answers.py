"""The XML API's documents: an answer, and a refusal with the name that this API has for it.

Names: https://cloud.google.com/storage/docs/xml-api/reference-status
"""

from xml.sax.saxutils import escape

from starlette.responses import Response

from infra.emulator.buckets import NOT_EMPTY, OWNED, TAKEN
from infra.emulator.errors import ApiError
from infra.emulator.storage_metadata_rules import TOO_LARGE
from infra.emulator.storage_sessions import NO_UPLOAD
from infra.emulator.storage_signatures import EXPIRED

CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
    416: "InvalidRange",
    501: "NotImplemented",
}
# What tells refusals of one status apart: how their texts begin.
TEXTS = {
    "The specified bucket does not exist.": "NoSuchBucket",
    NO_UPLOAD: "NoSuchUpload",
    NOT_EMPTY: "BucketNotEmpty",
    OWNED: "BucketAlreadyOwnedByYou",
    TAKEN: "BucketNameUnavailable",
    "Invalid bucket name": "InvalidBucketName",
    TOO_LARGE: "MetadataTooLarge",
    "Provided MD5 hash": "BadDigest",
    "Provided CRC32C": "BadDigest",
    EXPIRED: "ExpiredToken",
}
FORM_CODES = frozenset({"InvalidPolicyDocument", "EntityTooLarge", "EntityTooSmall", "MalformedXML"})


def refusal(error: ApiError) -> Response:
    """Return an error as the XML API writes it."""
    text = escape(error.message)
    request = error.noted()
    about = f"<RequestId>{request}</RequestId>" if request else ""
    content = f"<Error><Code>{_code(error)}</Code><Message>{text}</Message><Details>{text}</Details>{about}</Error>"
    return document(content, error.code)


def document(content: str, status: int = 200) -> Response:
    """Return an XML answer."""
    text = f"<?xml version='1.0' encoding='UTF-8'?>{content}"
    return Response(text, status, media_type="application/xml; charset=UTF-8")


def _code(error: ApiError) -> str:
    if error.reason in FORM_CODES:
        return error.reason
    named = next((name for start, name in TEXTS.items() if error.message.startswith(start)), "")
    return named or CODES.get(error.code, "InvalidArgument")
