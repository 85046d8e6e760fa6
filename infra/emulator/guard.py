"""The door of the local cloud: only this machine's own clients come in, with the token where one is demanded."""

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from infra.emulator.errors import ApiError
from infra.emulator.protocol import LARGEST_HEAD

LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
LOGIN = "Expected OAuth 2 access token, login cookie or other valid authentication credential."


def refused(headers: Mapping[str, str], token: str, path: str) -> ApiError | None:
    """Return why a request may not come in: a foreign Host or Origin, a wrong token (health is everybody's)."""
    if sum(map(len, headers)) + sum(map(len, headers.values())) + len(path) > LARGEST_HEAD:
        return ApiError(431, f"Address and headers have more than {LARGEST_HEAD} bytes.", "INVALID_ARGUMENT")
    return foreign(headers) or (unknown(headers, token) if token and path != "/healthz" else None)


def foreign(headers: Mapping[str, str]) -> ApiError | None:
    """Return the 403 for a request that a web page of another site makes (DNS rebinding, cross-site forms)."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not LOOPBACK.fullmatch(host):
        return ApiError(403, f"Host {host!r} is not this machine. Use http://127.0.0.1.", reason="forbidden")
    if origin is not None and not LOOPBACK.fullmatch(urlsplit(origin).netloc):
        return ApiError(403, f"Origin {origin!r} may not call the local cloud.", reason="forbidden")
    return None


def unknown(headers: Mapping[str, str], token: str) -> ApiError | None:
    """Return the 401 for a missing or wrong token."""
    given = headers.get("authorization", "")
    if hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode()):
        return None
    problem = "had invalid authentication credentials" if given else "is missing required authentication credential"
    return ApiError(401, f"Request {problem}. {LOGIN}", reason="authError" if given else "required")
