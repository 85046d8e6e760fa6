"""`POST /<bucket>`: an upload by a browser's form, in the bounds of the policy document that came with the page.

The policy's form, expiry and conditions are checked; its signature is not, for no key is here.
"""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import orjson
from starlette.requests import Request

from infra.emulator import clock
from infra.emulator.errors import ApiError, invalid
from infra.emulator.exchange import current
from infra.emulator.storage_multipart import FormReader
from infra.emulator.storage_signatures import EXPIRED
from infra.emulator.storage_uploads import Upload, store

UNMET = "The content of the form does not meet the conditions specified in the policy document. "
FREE = frozenset({"policy", "x-goog-signature", "signature", "googleaccessid", "file", "filename"})  # of no condition
POLICY = "InvalidPolicyDocument"


async def take_form(
    request: Request, upload_of: Callable[[Mapping[str, str], str], Upload]
) -> tuple[int, dict[str, str], str]:
    """Store the file of a form; return status, headers and XML of the answer.

    `upload_of` makes an Upload of headers, which the form's fields are.

    Raises:
        ApiError: 400, there is no key or file, the policy has expired or its conditions are not met.
    """
    reader = FormReader(aiter(request.stream()), request.headers.get("content-type", ""))
    fields = await reader.fields()
    if not fields.get("key"):
        raise invalid("Bucket POST must contain a field named 'key'.")
    name = fields["key"].replace("${filename}", fields.pop("filename", ""))
    upload = upload_of({key: value for key, value in fields.items() if _is_header(value)}, name)
    least, most = 0, None
    if "policy" in fields:
        least, most = _bounds(_checked(upload, fields))
        if exchange := current():
            exchange.creator = None  # the policy is the proof: as a signed address, it needs no other
    made = await store(upload, _within(reader.content(), least, most))
    return _answer(fields, upload, made)


def _is_header(value: str) -> bool:
    return not re.search(r"[\r\n\0]", value)


def _checked(upload: Upload, fields: Mapping[str, str]) -> list[Any]:
    """Return a policy's conditions; raises ApiError 400 where it has expired or a field breaks one."""
    try:
        policy = orjson.loads(base64.b64decode(fields["policy"], validate=True))
        expires = datetime.fromisoformat(policy["expiration"])
        conditions = [*policy["conditions"]]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise invalid("The policy is no base64 of {expiration, conditions}.", reason=POLICY) from None
    expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    if clock.now(upload.cloud.resources) > expires:
        raise ApiError(400, EXPIRED + expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
    given = {**fields, "bucket": upload.bucket}
    named = {name for condition in conditions for name in _check(condition, given)}
    for name in fields:
        if name not in named | FREE and not name.startswith("x-ignore-"):
            raise _unmet(f"No condition names the field {name!r}.")
    return conditions


def _check(condition: Any, given: Mapping[str, str]) -> list[str]:
    """Return the fields that a condition names; raises ApiError 400 where one breaks it."""
    match condition:
        case {**wanted} if wanted:
            exact = [("eq", f"${name}", value) for name, value in wanted.items()]
        case [str(kind), str(name), value] if name.startswith("$"):
            exact = [(kind.lower(), name, value)]
        case [str(kind), int(), int()] if kind.lower() == "content-length-range":
            exact = []
        case _:
            raise invalid(f"A condition is {orjson.dumps(condition).decode()}.", reason=POLICY)
    for kind, name, value in exact:
        found = given.get(name[1:].lower(), "")
        if not (found.startswith(str(value)) if kind == "starts-with" else kind == "eq" and found == str(value)):
            raise _unmet(f"Condition failed: {orjson.dumps(condition).decode()}")
    return [name[1:].lower() for _, name, _ in exact]


def _unmet(why: str) -> ApiError:
    return invalid(UNMET + why, reason=POLICY)


def _bounds(conditions: list[Any]) -> tuple[int, int | None]:
    """Return the narrowest sizes that conditions allow the file."""
    ranges = [one[1:] for one in conditions if isinstance(one, list) and str(one[0]).lower() == "content-length-range"]
    return max((low for low, _ in ranges), default=0), min((high for _, high in ranges), default=None)


async def _within(chunks: AsyncIterator[bytes], least: int, most: int | None) -> AsyncIterator[bytes]:
    """Pass a file on as long as its size is allowed; raises ApiError 400."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if most is not None and size > most:
            raise invalid(f"Your proposed upload exceeds the maximum allowed size of {most}.", reason="EntityTooLarge")
        yield chunk
    if size < least:
        raise invalid(f"Your proposed upload is smaller than the minimum size of {least}.", reason="EntityTooSmall")


def _answer(fields: Mapping[str, str], upload: Upload, made: Mapping[str, Any]) -> tuple[int, dict[str, str], str]:
    """Answer as the form wants it: 204, 200 or 201 with a document, or the address of the next page."""
    bucket, key, etag = made["bucket"], made["name"], f'"{made["etag"]}"'
    location = f"{upload.cloud.url}/{bucket}/{quote(key)}"
    if target := fields.get("success_action_redirect"):
        query = urlencode({"bucket": bucket, "key": key, "etag": etag})
        target = quote(target, safe=":/?#[]@!$&'()*+,;=%~")
        return 303, {"location": f"{target}{'&' if '?' in target else '?'}{query}"}, ""
    status = {"200": 200, "201": 201}.get(fields.get("success_action_status", ""), 204)
    about = {"Location": location, "Bucket": bucket, "Key": key, "ETag": etag}
    content = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in about.items())
    document = f"<PostResponse>{content}</PostResponse>" if status == 201 else ""
    return status, {"location": location, "etag": etag}, document
