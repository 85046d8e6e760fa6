"""The door of the local cloud: only this machine's own clients come in, with the token where one is demanded."""

import hmac
import logging
import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.emulator.dispatch import refusal
from infra.emulator.errors import ApiError

access_log = logging.getLogger("infra.emulator.access")

LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
LOGIN = "Expected OAuth 2 access token, login cookie or other valid authentication credential."


class Guard:
    """Refuse foreign Host and Origin headers and wrong tokens; log what passes and what does not."""

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = _foreign(headers) or self._unknown(headers, scope["path"])
        scope["app"].state.in_flight += 1
        try:
            await (refusal(refused) if refused else self.app)(scope, receive, noted)
        finally:
            scope["app"].state.in_flight -= 1
        milliseconds = 1000 * (time.perf_counter() - began)
        path = scope["raw_path"].decode("latin-1")
        access_log.info("%s %s %d %.1fms", scope["method"], path, status, milliseconds)

    def _unknown(self, headers: Mapping[str, str], path: str) -> ApiError | None:
        """Return the 401 for a missing or wrong token; health is everybody's."""
        if not self.token or path == "/healthz":
            return None
        given = headers.get("authorization", "")
        if hmac.compare_digest(given.encode("latin-1"), f"Bearer {self.token}".encode()):
            return None
        problem = "had invalid authentication credentials" if given else "is missing required authentication credential"
        return ApiError(401, f"Request {problem}. {LOGIN}", reason="authError" if given else "required")


def _foreign(headers: Mapping[str, str]) -> ApiError | None:
    """Return the 403 for a request that a web page of another site makes (DNS rebinding, cross-site forms)."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not LOOPBACK.fullmatch(host):
        return ApiError(403, f"Host {host!r} is not this machine. Use http://127.0.0.1.", reason="forbidden")
    if origin is not None and not LOOPBACK.fullmatch(urlsplit(origin).netloc):
        return ApiError(403, f"Origin {origin!r} may not call the local cloud.", reason="forbidden")
    return None
