"""`/<bucket>/<object>`: the XML API's reads, uploads and deletes, as HTTP readers and signed URLs use it."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote
from xml.sax.saxutils import escape

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from infra.emulator import storage_parts as parts
from infra.emulator import storage_resumable as resumable
from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import ApiError, invalid, unimplemented
from infra.emulator.object_access_lists import PREDEFINED
from infra.emulator.objects import require_object
from infra.emulator.predefined_lists import json_name
from infra.emulator.resources import Json
from infra.emulator.storage_content import content_headers, object_content
from infra.emulator.storage_copies import copied
from infra.emulator.storage_forms import take_form
from infra.emulator.storage_multipart import small_body
from infra.emulator.storage_objects import delete_object
from infra.emulator.storage_resource import object_etag
from infra.emulator.storage_signatures import EXPIRED, check_signature
from infra.emulator.storage_uploads import GONE, Upload, store, upload_of
from infra.emulator.storage_xml_lists import list_bucket
from infra.emulator.storage_xml_uploads import parts_of
from infra.emulator.unforeseen import unforeseen

CODES = {
    400: "InvalidArgument",
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
    501: "NotImplemented",
}
FORM_CODES = frozenset({"InvalidPolicyDocument", "EntityTooLarge", "EntityTooSmall"})
CONDITIONS = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
    "x-goog-if-generation-not-match": "ifGenerationNotMatch",
    "x-goog-if-metageneration-not-match": "ifMetagenerationNotMatch",
    "x-goog-copy-source-generation": "sourceGeneration",
    "x-goog-copy-source-if-generation-match": "ifSourceGenerationMatch",
    "x-goog-copy-source-if-metageneration-match": "ifSourceMetagenerationMatch",
}


async def xml(request: Request) -> Response:
    """Answer a request of the XML API, refusals in XML."""
    try:
        return await (_form if _is_form(request) else _answer)(request)
    except ApiError as error:
        return refusal(error)
    except GONE:
        return Response(status_code=499)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
        return refusal(unforeseen(error, f"{request.method} {request.url.path}"))


def refusal(error: ApiError) -> Response:
    """Return an error as the XML API writes it."""
    code = "NoSuchBucket" if "bucket does not exist" in error.message else CODES.get(error.code, "InvalidArgument")
    code = error.reason if error.reason in FORM_CODES else code
    code = "ExpiredToken" if error.message.startswith(EXPIRED) else code
    text = escape(error.message)
    request = error.noted()
    about = f"<RequestId>{request}</RequestId>" if request else ""
    content = f"<Error><Code>{code}</Code><Message>{text}</Message><Details>{text}</Details>{about}</Error>"
    return document(content, error.code)


def document(content: str, status: int = 200) -> Response:
    """Return an XML answer."""
    text = f"<?xml version='1.0' encoding='UTF-8'?>{content}"
    return Response(text, status, media_type="application/xml; charset=UTF-8")


async def _answer(request: Request) -> Response:
    query, upload = request.query_params, _upload(request)
    if b"ignature" in request.scope["query_string"]:
        await to_thread.run_sync(check_signature, upload.cloud.resources, upload.query, upload.headers)
    if request.method in {"GET", "HEAD"} and not upload.name:
        return document(await to_thread.run_sync(list_bucket, upload.cloud, upload.bucket, upload.query))
    if not upload.name or query.keys() & {"acl", "tagging", "retention", "compose"}:
        msg = f"{request.method} {request.url.path} is not implemented by the local cloud. Use the JSON API."
        raise unimplemented(msg)
    if request.method in {"GET", "HEAD"}:
        return await _read(request, upload)
    if query.keys() & {"uploads", "uploadId"}:
        return await _parts(request, upload)
    if "upload_id" in query or "x-goog-resumable" in request.headers:
        return await _resumed(request)
    if request.method == "PUT":
        return await _put(request, upload)
    if request.method == "DELETE":
        await to_thread.run_sync(delete_object, upload.cloud, upload.bucket, upload.name, upload.query, {})
        return Response(status_code=204)
    msg = "A form is posted to the bucket, and names the object in its field 'key'."
    raise invalid(msg)


def _is_form(request: Request) -> bool:
    named = request.path_params.get("object") or request.query_params
    return request.method == "POST" and not named


async def _form(request: Request) -> Response:
    status, headers, content = await take_form(request, lambda fields, name: _upload(request, fields, name))
    answer = document(content, status) if content else Response(status_code=status)
    answer.headers.update(headers)
    return answer


async def _read(request: Request, upload: Upload) -> Response:
    """Answer an object's bytes, or the parts of an upload that is under way."""
    session = request.query_params.get("uploadId")
    if session is None:
        return await to_thread.run_sync(_content, upload, request.method == "HEAD")
    place = (upload.cloud, upload.bucket, upload.name, session, upload.query)
    return document(await to_thread.run_sync(parts_of, *place))


async def _resumed(request: Request) -> Response:
    """Begin a resumable upload, go on with it, or give it up: the JSON API's steps with this API's answers."""
    if "upload_id" not in request.query_params:
        return await resumable.begin_named(request, _upload(request))
    answered = await (resumable.cancel if request.method == "DELETE" else resumable.send)(request)
    return Response(status_code=200) if answered.status_code == 200 else answered


def _upload(request: Request, headers: Mapping[str, str] | None = None, name: str = "") -> Upload:
    """Read bucket, name, metadata and preconditions from path and headers, or from a form's fields."""
    name = name or request.path_params.get("object", "")
    upload = upload_of(request, {**_fields(request.headers if headers is None else headers), "name": name})
    return replace(upload, query={**upload.query, **_conditions(request)})


def _content(upload: Upload, head: bool) -> Response:
    return object_content(upload.cloud, upload.bucket, upload.name, upload.query, upload.headers, head=head)


async def _put(request: Request, upload: Upload) -> Response:
    if "x-goog-copy-source" in request.headers:
        return document(await to_thread.run_sync(_copy, upload))
    made = await store(upload, request.stream())
    return Response(headers=await to_thread.run_sync(_described, upload.cloud, made))


def _copy(upload: Upload) -> str:
    """Copy the object that x-goog-copy-source names, with its metadata unless the headers are to replace it."""
    headers = upload.headers
    bucket, _, name = unquote(headers["x-goog-copy-source"]).lstrip("/").partition("/")
    to = {"destinationBucket": upload.bucket, "destinationObject": upload.name}
    replaced = headers.get("x-goog-metadata-directive", "COPY").upper() == "REPLACE"
    said = upload.fields if replaced else {PREDEFINED: upload.fields[PREDEFINED]}
    path, query = {"sourceBucket": bucket, "sourceObject": name, **to}, upload.query
    made = copied(Call(upload.cloud, "storage.objects.copy", "storage", "v1", path, query, said, headers))
    when, etag = made.body["updated"], escape(object_etag(made))
    return f"<CopyObjectResult><LastModified>{when}</LastModified><ETag>&quot;{etag}&quot;</ETag></CopyObjectResult>"


def _described(cloud: Cloud, made: Json) -> dict[str, str]:
    found = require_object(cloud, made["bucket"], made["name"], int(made["generation"]))
    headers = content_headers(found, {})
    return {name: value for name, value in headers.items() if name.startswith("x-goog-") or name == "etag"}


async def _parts(request: Request, upload: Upload) -> Response:
    """Run a step of a multipart upload: begin, a part, complete, abort."""
    session = request.query_params.get("uploadId", "")
    if request.method == "PUT":
        return await parts.put(request, upload.cloud, session)
    if request.method == "DELETE":
        await to_thread.run_sync(parts.abort, upload.cloud, session)
        return Response(status_code=204)
    if "uploads" in request.query_params:
        return document(await to_thread.run_sync(parts.begin, upload))
    body = await small_body(request, 4 << 20)  # 10,000 parts are about one megabyte
    return document(await to_thread.run_sync(parts.complete, upload, session, body))


def _fields(headers: Mapping[str, str]) -> Json:
    """Read an object's metadata from headers."""
    names = {
        "contentType": headers.get("content-type"),
        "cacheControl": headers.get("cache-control"),
        "contentEncoding": headers.get("content-encoding"),
        "contentDisposition": headers.get("content-disposition"),
        "contentLanguage": headers.get("content-language"),
        "storageClass": headers.get("x-goog-storage-class"),
        PREDEFINED: json_name(headers.get("x-goog-acl") or headers.get("acl") or ""),  # a form calls it acl
    }
    prefix = "x-goog-meta-"
    metadata = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    return {**{name: value for name, value in names.items() if value}, **({"metadata": metadata} if metadata else {})}


def _conditions(request: Request) -> dict[str, list[str]]:
    return {query: [request.headers[name]] for name, query in CONDITIONS.items() if name in request.headers}
