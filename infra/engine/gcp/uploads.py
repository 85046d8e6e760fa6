"""What an object is made of -> the storage API's uploads: whole below 8 MiB, streamed above."""

import base64
import hashlib
import json
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from infra.engine.gcp.rest import ApiError, Cloud, escaped, message, with_query
from infra.engine.gcp.schema import Json
from infra.engine.providers import UNKNOWN, Properties, ProviderError

WHOLE = 8 << 20  # bytes; larger files go up as a stream


def content(state: Properties) -> bytes | Path:
    """Return what is to be uploaded. Raises ProviderError where a file is missing."""
    source = state.get("source")
    if source is None:
        return str(state.get("content") or "").encode()
    if isinstance(source, dict) and source.get("text") is not None:
        return str(source["text"]).encode()
    path = Path(str(source.get("path") if isinstance(source, dict) else source))
    if not path.is_file():
        raise ProviderError(f"No file at {str(path)!r} for the object {state.get('name')!r}.")
    return path


def local_hash(state: Properties) -> str | None:
    """Return the MD5 of what is to be uploaded, in base 64; None while it is unknown."""
    if UNKNOWN in (state.get("content"), state.get("source")):
        return None
    data = content(state)
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(data, bytes):
        digest.update(data)
    else:
        with data.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()


def upload(cloud: Cloud, state: Properties, resource: Json) -> None:
    """Upload the content under the object's name, with its metadata."""
    data = content(state)
    kind = "" if state.get("forceEmptyContentType") else resource.get("contentType") or _sniffed(data)
    if isinstance(data, Path) and data.stat().st_size > WHOLE:
        _stream(cloud, state, resource, data, kind)
    else:
        _whole(cloud, state, resource, data.read_bytes() if isinstance(data, Path) else data, kind)


def _sniffed(data: bytes | Path) -> str:
    if isinstance(data, Path):
        return "application/octet-stream"
    try:
        data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain; charset=utf-8"


def _upload_url(cloud: Cloud, state: Properties, kind: str) -> str:
    """Media goes to the host's root, whatever path the endpoint has."""
    parts = urlsplit(cloud.base("storage"))
    url = f"{parts.scheme}://{parts.netloc}/upload/storage/v1/b/{escaped(state['bucket'])}/o"
    return with_query(url, {"name": state["name"], "uploadType": kind})


def _whole(cloud: Cloud, state: Properties, resource: Json, data: bytes, kind: str) -> None:
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(resource)}\r\n"
    middle = f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n"
    body = head.encode() + middle.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/related; boundary={boundary}", **key_headers(state)}
    cloud.send("POST", _upload_url(cloud, state, "multipart"), body, headers)


def _stream(cloud: Cloud, state: Properties, resource: Json, path: Path, kind: str) -> None:
    headers = {"Content-Type": "application/json", "X-Upload-Content-Type": kind, **key_headers(state)}
    start = json.dumps(resource).encode()
    status, answer, given = cloud.exchange("POST", _upload_url(cloud, state, "resumable"), start, headers)
    if status >= 400:
        raise ApiError(status, message(status, answer))
    with path.open("rb") as file:
        cloud.send("PUT", given["location"], file, {"Content-Type": kind, "Content-Length": str(path.stat().st_size)})


def key_headers(state: Properties) -> dict[str, str]:
    """Return the headers of a key that the program holds itself."""
    key = (state.get("customerEncryption") or {}).get("encryptionKey")
    if not key:
        return {}
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode()
    prefix = "x-goog-encryption"
    return {f"{prefix}-algorithm": "AES256", f"{prefix}-key": key, f"{prefix}-key-sha256": digest}
