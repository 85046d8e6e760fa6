"""Batches: up to 100 calls in one multipart/mixed request, each answered as if it had come alone."""

from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from infra.emulator.errors import invalid
from infra.emulator.storage_multipart import small_body

MOST_CALLS = 100
LARGEST_BATCH = 10 << 20
BOUNDARY = "batch_of_the_local_cloud"


async def batch(request: Request) -> Response:
    """Run the calls of a batch in order."""
    calls = _calls(await small_body(request, LARGEST_BATCH), request.headers.get("content-type", ""))
    answers = [await _answered(request, call) for call in calls]
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), answer) for answer in answers)
    body += b"--%s--\r\n" % BOUNDARY.encode()
    return Response(body, headers={"content-type": f"multipart/mixed; boundary={BOUNDARY}"})


def _calls(body: bytes, content_type: str) -> list[Message]:
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1") + body)
    parts = message.get_payload()
    if not message.is_multipart() or not isinstance(parts, list):
        msg = f"A batch is multipart/mixed with a call in each part, not {content_type!r}."
        raise invalid(msg, reason="badRequest")
    if len(parts) > MOST_CALLS:
        msg = f"The batch has {len(parts)} calls, at most {MOST_CALLS} are allowed."
        raise invalid(msg, reason="batchSizeTooLarge")
    return [part for part in parts if isinstance(part, Message)]


async def _answered(request: Request, part: Message) -> bytes:
    """Run one call through the application; return it as a part of the answer."""
    content = part.get_payload(decode=True)
    scope, body = _scope(request, content if isinstance(content, bytes) else b"")
    status, headers, answer = await _run(request, scope, body)
    reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    head = ["Content-Type: application/http"]
    if part.get("Content-ID"):
        head.append(f"Content-ID: <response-{part['Content-ID'].strip('<>')}>")
    lines = [*head, "", f"HTTP/1.1 {status} {reason}"]
    lines += [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer


def _scope(request: Request, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Read a call's first line, headers and body; what it lacks in headers it has from the batch's own request."""
    line, _, rest = content.lstrip().partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        msg = f"A part of the batch begins with {line[:80]!r}, not with METHOD path HTTP/1.1."
        raise invalid(msg, reason="badRequest")
    call = BytesParser().parsebytes(rest)
    address = urlsplit(words[1])
    inner = {name.lower(): value for name, value in call.items()}
    outer = {name: request.headers[name] for name in ("host", "authorization") if name in request.headers}
    body = call.get_payload(decode=True)
    body = body.rstrip(b"\r\n") if isinstance(body, bytes) else b""
    headers = {**outer, **inner, "host": outer.get("host", ""), "content-length": str(len(body))}
    scope = {
        **{key: request.scope[key] for key in ("type", "asgi", "http_version", "scheme", "server", "client")},
        "root_path": "",
        "method": words[0].upper(),
        "path": unquote(address.path),
        "raw_path": address.path.encode("latin-1"),
        "query_string": address.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }
    return scope, body


async def _run(request: Request, scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Call the application itself, without a connection."""
    started: dict[str, Any] = {}
    content = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            content.extend(message.get("body", b""))

    await request.app.state.front(scope, receive, send)
    return started["status"], started.get("headers", []), bytes(content)
