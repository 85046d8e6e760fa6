"""A request to one of Google's APIs: found in the discovery documents, checked, handled, answered."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.responses import Response

from infra.emulator.calls import HANDLERS, Call, Cloud
from infra.emulator.discovery import Document, Method, document, is_raw, serves
from infra.emulator.errors import ApiError, invalid, not_found, unimplemented
from infra.emulator.exchange import note_method
from infra.emulator.parameters import checked_query
from infra.emulator.partial_response import checked_mask, mask_of, selected
from infra.emulator.projects import by_id, remember
from infra.emulator.reasons import reason
from infra.emulator.unforeseen import unforeseen
from infra.emulator.validation import checked_body

Json = dict[str, Any]

FIRST_GENERATION = frozenset({"compute", "storage"})
# Answered whole, whatever `fields` asks for: the recorded life of a stack, where the provider asks for the services'
# names alone, has whole services in its answers, and whoever replays it must find them.
WHOLE = frozenset({"serviceusage.services.list"})
LARGEST_BODY = 10 * 1024 * 1024  # Google's limit for JSON requests; uploads go other ways


@dataclass(frozen=True)
class Incoming:
    """A request as it came: percent-encoded path, query string, headers with lower-case names, body."""

    verb: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@lru_cache(maxsize=4096)
def is_api(path: str) -> bool:
    """Tell whether a path belongs to an API of the documents (and not to storage's own paths)."""
    return _address(path) is not None


def answer(cloud: Cloud, incoming: Incoming, *, lenient: bool = False) -> Response:
    """Answer a request; never raises: what a handler did not foresee is logged and answered as 501."""
    try:
        return _response(_handled(cloud, incoming, lenient=lenient))
    except ApiError as error:
        return refusal(_in_dialect(error, incoming.path))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
        return refusal(_in_dialect(unforeseen(error, f"{incoming.verb} {incoming.path}"), incoming.path))


def _in_dialect(error: ApiError, path: str) -> ApiError:
    """Leave the first generation's `errors` (reason, domain) to the APIs that have them: storage and compute."""
    address = _address(path)
    if address and address[0] not in FIRST_GENERATION:
        error.reason = ""
    return error


def refusal(error: ApiError) -> Response:
    """Return an error in Google's envelope."""
    return json_response(error.envelope(), error.code)


def json_response(body: Any, status: int = 200) -> Response:
    """Return a JSON answer as Google labels it."""
    return Response(orjson.dumps(body), status, media_type="application/json; charset=UTF-8")


def _handled(cloud: Cloud, incoming: Incoming, *, lenient: bool) -> Any:
    verb, query, body = _overridden(incoming)
    (method, path), content = find(verb, incoming.path)
    note_method(method.id)
    pairs = parse_qsl(query, keep_blank_values=True)
    call_query = checked_query(content, method, pairs, lenient=lenient)
    wanted = mask_of(pairs, incoming.headers)
    mask = checked_mask(content, method, wanted) if wanted else {}
    handler = HANDLERS.get(method.id)
    raw = is_raw(content, method)
    checked = _loosely(body) if raw else checked_body(content, method, _json(body), lenient=lenient) if body else {}
    if handler is None:
        text = f"{method.id} ({content.version}) is not implemented by the local cloud{reason(method.id)}."
        raise unimplemented(text)
    remember(cloud, path, call_query)
    path, headers = by_id(cloud, path), incoming.headers
    answered = handler(Call(cloud, method.id, content.api, content.version, path, call_query, checked, headers, body))
    return selected(answered, mask) if isinstance(answered, dict) and method.id not in WHOLE else answered


@lru_cache(maxsize=4096)
def find(verb: str, path: str) -> tuple[tuple[Method, dict[str, str]], Document]:
    """Return the method that a request means, its path's parameters and its document; raises ApiError 404."""
    address = _address(path)
    if address is None:
        raise not_found(f"The requested URL {path} was not found on this server.")
    api, version, rest = address
    content = document(api, version)
    found = content.find("GET" if verb == "HEAD" else verb, rest)
    if found is None:
        raise not_found("Method not found.", reason="notFound")
    return found, content


@lru_cache(maxsize=4096)
def _address(path: str) -> tuple[str, str, str] | None:
    """Split a path into API, version and the rest; `/compute/compute/v1/…` and the SDK's `/ui/…` are addresses too."""
    parts = path.lstrip("/").split("/")
    if parts[0] == "ui":
        parts = ["aiplatform", *parts]
    if len(parts) > 2 and parts[0] == parts[1]:
        parts = parts[1:]
    if parts[:2] == ["aiplatform", "ui"]:
        parts[1] = "v1"
    if len(parts) < 3 or not serves(parts[0], parts[1]):
        return None
    return parts[0], parts[1], "/".join(parts[2:])


def _overridden(incoming: Incoming) -> tuple[str, str, bytes]:
    """Return verb, query and body; clients send addresses that are too long as a POST whose form is the query."""
    body = _unpacked(incoming)
    verb = incoming.headers.get("x-http-method-override", "").upper()
    if incoming.verb != "POST" or verb in ("", "POST"):
        return incoming.verb, incoming.query, body
    form = incoming.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if not form:
        return verb, incoming.query, body
    return verb, "&".join(part for part in (incoming.query, body.decode("latin-1")) if part), b""


def _unpacked(incoming: Incoming) -> bytes:
    if incoming.headers.get("content-encoding", "").lower() != "gzip":
        return _limited(incoming.body)
    try:
        unpacker = zlib.decompressobj(wbits=31)
        return _limited(unpacker.decompress(incoming.body, LARGEST_BODY + 1))
    except zlib.error as error:
        raise invalid(f"The request body is not valid gzip: {error}.", reason="parseError") from None


def _limited(body: bytes) -> bytes:
    if len(body) > LARGEST_BODY:
        raise ApiError(413, f"Request payload size exceeds the limit: {LARGEST_BODY} bytes.", reason="uploadTooLarge")
    return body


def _json(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        excerpt = body[max(error.pos - 10, 0) : error.pos + 10].decode(errors="replace")
        raise invalid(f"Invalid JSON payload received. {error}: near {excerpt!r}", reason="parseError") from None


def _loosely(body: bytes) -> Json:
    """Return a raw body as JSON where it is an object, else nothing: the handler has its bytes."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if isinstance(result, tuple):
        status, body = result
        return json_response(body, status)
    return Response(status_code=204) if result is None else json_response(result)
