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
from infra.emulator import storage_xml_buckets
from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import ApiError, invalid, unimplemented
from infra.emulator.methods import READS, SETTINGS
from infra.emulator.object_access_lists import PREDEFINED
from infra.emulator.objects import require_bucket, require_object
from infra.emulator.resources import Json
from infra.emulator.scalars import is_timestamp
from infra.emulator.spelling import camel_case
from infra.emulator.storage_content import content_headers, object_content
from infra.emulator.storage_copies import copied
from infra.emulator.storage_forms import take_form
from infra.emulator.storage_multipart import small_body
from infra.emulator.storage_objects import delete_object
from infra.emulator.storage_resource import object_etag
from infra.emulator.storage_signatures import check_signature, is_signed
from infra.emulator.storage_uploads import GONE, Upload, store, upload_of
from infra.emulator.storage_xml_access_lists import read_list, write_list
from infra.emulator.storage_xml_answers import document, refusal
from infra.emulator.storage_xml_lists import list_bucket
from infra.emulator.storage_xml_uploads import parts_of
from infra.emulator.unforeseen import unforeseen

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


async def _answer(request: Request) -> Response:
    query, upload = request.query_params, _upload(request)
    if is_signed(query.keys()):
        await to_thread.run_sync(check_signature, upload.cloud.resources, upload.query, upload.headers)
    if "acl" in query:
        return await _access_list(request, upload)
    return await (_of_object if upload.name else _of_bucket)(request, upload)


async def _of_object(request: Request, upload: Upload) -> Response:
    query = request.query_params
    if query.keys() & {"tagging", "retention", "compose"}:
        raise _unknown(request)
    if request.method in READS:
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


def _unknown(request: Request) -> ApiError:
    return unimplemented(
        f"{request.method} {request.url.path} is not implemented by the local cloud. Use the JSON API."
    )


async def _access_list(request: Request, upload: Upload) -> Response:
    if request.method in READS:
        return document(await to_thread.run_sync(read_list, _call(upload)))
    if request.method != "PUT":
        raise _unknown(request)
    named = upload.fields.get(PREDEFINED) or ""
    await to_thread.run_sync(write_list, _call(upload), await small_body(request), named)
    return Response()


async def _of_bucket(request: Request, upload: Upload) -> Response:
    """Read, make or remove a bucket."""
    if request.method == "GET":
        return document(await to_thread.run_sync(list_bucket, upload.cloud, upload.bucket, upload.query))
    if SETTINGS & request.query_params.keys() or request.method == "POST":
        raise _unknown(request)
    if request.method == "PUT":
        named = upload.fields.get(PREDEFINED) or ""
        await to_thread.run_sync(storage_xml_buckets.make, _call(upload), await small_body(request), named)
    elif request.method == "DELETE":
        await to_thread.run_sync(storage_xml_buckets.remove, _call(upload))
    else:
        await to_thread.run_sync(require_bucket, upload.cloud, upload.bucket)
    return Response(status_code=204 if request.method == "DELETE" else 200)


async def service(request: Request) -> Response:
    """Answer `GET /`, the list of a project's buckets; what else comes to the root is lost."""
    call = Call(request.app.state.cloud, "storage.buckets.list", "storage", "v1", headers=dict(request.headers))
    try:
        return document(await to_thread.run_sync(storage_xml_buckets.list_buckets, call))
    except ApiError as error:
        return refusal(error)


def _call(upload: Upload) -> Call:
    """Return a request as the JSON API's handlers take it."""
    path = {"bucket": upload.bucket, **({"object": upload.name} if upload.name else {})}
    return Call(upload.cloud, "", "storage", "v1", path, upload.query, {}, upload.headers)


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
        answer = await to_thread.run_sync(_content, upload, request.method == "HEAD")
        return _out_of_range(answer) if answer.status_code == 416 else answer
    place = (upload.cloud, upload.bucket, upload.name, session, upload.query)
    return document(await to_thread.run_sync(parts_of, *place))


def _out_of_range(answer: Response) -> Response:
    refused = refusal(ApiError(416, "The requested range cannot be satisfied."))
    refused.headers["content-range"] = answer.headers["content-range"]
    return refused


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
        "customTime": _custom_time(headers),
        PREDEFINED: camel_case(headers.get("x-goog-acl") or headers.get("acl") or "", "-"),  # a form calls it acl
    }
    prefix = "x-goog-meta-"
    metadata = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    return {**{name: value for name, value in names.items() if value}, **({"metadata": metadata} if metadata else {})}


def _custom_time(headers: Mapping[str, str]) -> str:
    text = headers.get("x-goog-custom-time", "")
    if text and not is_timestamp(text):
        raise invalid(f"x-goog-custom-time is {text!r}; its form is 2030-01-31T12:00:00Z.")
    return text


def _conditions(request: Request) -> dict[str, list[str]]:
    return {query: [request.headers[name]] for name, query in CONDITIONS.items() if name in request.headers}
