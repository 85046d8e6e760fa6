"""Storage's own paths, which no discovery document describes: uploads, downloads, batches, `/<bucket>/<object>`."""

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from infra.emulator import storage_resumable as resumable
from infra.emulator.dispatch import json_response, refusal
from infra.emulator.errors import ApiError, invalid
from infra.emulator.storage_batch import batch
from infra.emulator.storage_content import object_content
from infra.emulator.storage_uploads import GONE, insert_media, insert_related, upload_of
from infra.emulator.storage_xml import service, xml
from infra.emulator.unforeseen import unforeseen

Endpoint = Callable[[Request], Awaitable[Response]]


def answered(endpoint: Endpoint) -> Endpoint:
    """Make an endpoint that answers its refusals in Google's envelope."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as error:
            return refusal(error)
        except GONE:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            return refusal(unforeseen(error, f"{request.method} {request.url.path}"))

    return answer


class DownloadRoute(Route):
    """A route for `alt=media` only: without it the address means the object's resource."""

    def matches(self, scope: Any) -> Any:
        """Match like a route, where the query asks for the content."""
        match, child = super().matches(scope)
        wanted = b"alt=media" in scope.get("query_string", b"").split(b"&")
        return (match, child) if wanted else (Match.NONE, {})


@answered
async def download(request: Request) -> Response:
    """Answer an object's bytes, or a part of them."""
    upload = upload_of(request)
    path, head = request.path_params, request.method == "HEAD"
    return await to_thread.run_sync(
        lambda: object_content(upload.cloud, path["bucket"], path["object"], upload.query, upload.headers, head=head)
    )


@answered
async def upload(request: Request) -> Response:
    """Take an upload in one of the three ways, or go on with a resumable one."""
    query = request.query_params
    if "upload_id" in query:
        return await (resumable.cancel if request.method == "DELETE" else resumable.send)(request)
    if request.method not in {"POST", "PUT"}:
        msg = f"{request.method} needs the upload_id of a resumable upload."
        raise invalid(msg, reason="required")
    kind = query.get("uploadType") or request.headers.get("x-goog-upload-protocol", "")
    if kind == "resumable":
        return await resumable.begin(request)
    if kind not in {"media", "multipart"}:
        msg = f"Invalid value for parameter uploadType: {kind!r}. Use media, multipart or resumable."
        raise invalid(msg, reason="invalidParameter")
    return json_response(await (insert_related if kind == "multipart" else insert_media)(request))


ROUTES = [
    Route("/upload/storage/v1/b/{bucket}/o", upload, methods=["POST", "PUT", "DELETE"]),
    Route("/resumable/upload/storage/v1/b/{bucket}/o", upload, methods=["POST", "PUT", "DELETE"]),
    Route("/download/storage/v1/b/{bucket}/o/{object:path}", download, methods=["GET", "HEAD"]),
    DownloadRoute("/storage/v1/b/{bucket}/o/{object:path}", download, methods=["GET", "HEAD"]),
    Route("/batch/storage/v1", answered(batch), methods=["POST"]),
    Route("/", service, methods=["GET"]),
    Route("/{bucket}", xml, methods=["GET", "HEAD", "PUT", "POST", "DELETE"]),
    Route("/{bucket}/{object:path}", xml, methods=["GET", "HEAD", "PUT", "POST", "DELETE"]),
]
