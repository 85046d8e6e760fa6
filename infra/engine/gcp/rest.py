"""HTTP to the APIs under the stack's custom endpoints: kept connections, Google's error envelope in one line."""

import http.client
import json
import os
import threading
import time
import weakref
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from infra.engine.gcp.schema import Json
from infra.engine.providers import ProviderError

RETRIED = (429, 502, 503, 504)  # what Google's APIs answer to a passing fault
WAITS = (0.2, 0.5, 1.0, 2.0)
OPERATION_LIMIT = 1200.0

Pool = dict[tuple[str, str], list[http.client.HTTPConnection]]


class ApiError(ProviderError):
    """An API's error answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cloud:
    """The APIs that one provider's configuration names. Safe to use from several threads."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self._pool: Pool = {}
        self._lock = threading.Lock()
        self._policies: dict[str, threading.Lock] = {}
        self.close = weakref.finalize(self, _close_all, self._pool)

    def base(self, api: str) -> str:
        """Return an API's address, ending in `/`; `api` is spelled as in the provider's keys (`storage`, `iamBeta`)."""
        address = self.settings.get(f"{api}CustomEndpoint")
        if not address:
            raise ProviderError(
                f"No gcp:{api}CustomEndpoint in the stack's configuration, and the embedded engine serves local stacks "
                "only. For Google Cloud use: --engine pulumi"
            )
        return address.replace("{{region}}", self.settings.get("region", ""))

    def library(self, api: str, version: str) -> str:
        """Return an address as Google's Go libraries form it: the endpoint's own version is replaced."""
        return f"{self.base(api).rstrip('/').rsplit('/', 1)[0]}/{version}/"

    def policy_lock(self, name: str) -> threading.Lock:
        """Return the lock for one policy: members of one resource are written one after the other."""
        with self._lock:
            return self._policies.setdefault(name, threading.Lock())

    def call(
        self, method: str, url: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        """Make one request with and for JSON."""
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, with_query(url, query or {}), data, {"Content-Type": "application/json"})

    def send(self, method: str, url: str, data: bytes | IO[bytes] | None, headers: Mapping[str, str]) -> Json:
        """Make one request, again after a passing fault. Raises ApiError with Google's message."""
        for wait in (*WAITS, None):
            status, answer, _ = self.exchange(method, url, data, headers)
            if status < 400:
                return answer
            if status not in RETRIED or wait is None or (data is not None and not isinstance(data, bytes)):
                raise ApiError(status, message(status, answer))
            time.sleep(wait)
        raise AssertionError("the last wait is None")

    def exchange(
        self, method: str, url: str, data: bytes | IO[bytes] | None, headers: Mapping[str, str]
    ) -> tuple[int, Json, Mapping[str, str]]:
        """Make one HTTP exchange; return status, JSON (or {}) and headers by their names in lower case."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        place = (parts.scheme, parts.netloc)
        while True:
            connection, reused = self._connection(place)
            try:
                connection.request(method, target, data, {**self._identity(), **headers})
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if reused and (data is None or isinstance(data, bytes)):
                    continue  # the server closed an idle connection
                raise ProviderError(f"No answer from {parts.scheme}://{parts.netloc}: {error}. {REMEDY}") from error
            with self._lock:
                self._pool.setdefault(place, []).append(connection)
            return response.status, _decoded(text), {key.lower(): value for key, value in response.headers.items()}

    def _identity(self) -> dict[str, str]:
        token = self.settings.get("accessToken") or os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _connection(self, place: tuple[str, str]) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            idle = self._pool.get(place)
            if idle:
                return idle.pop(), True
        maker = http.client.HTTPSConnection if place[0] == "https" else http.client.HTTPConnection
        return maker(place[1], timeout=300), False


REMEDY = "Is the local cloud running? Run: invoke local.start"


def _close_all(pool: Pool) -> None:
    for connections in pool.values():
        for connection in connections:
            connection.close()
    pool.clear()


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Append a query."""
    return f"{url}?{urlencode(query)}" if query else url


def escaped(name: str) -> str:
    """Write a name as one path segment."""
    return quote(name, safe="")


def _decoded(text: bytes) -> Json:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {"error": {"message": text[:200].decode(errors="replace")}}
    return answer if isinstance(answer, dict) else {"items": answer}


def message(status: int, answer: Json) -> str:
    """Return an error answer's message in one line."""
    error: Any = answer.get("error")
    text = error.get("message") if isinstance(error, dict) else error
    return f"{' '.join(str(text or http.client.responses.get(status, 'error')).split())} ({status})"


def finished(cloud: Cloud, base: str, operation: Json, limit: float = OPERATION_LIMIT) -> Json:
    """Wait for a long-running operation and return its response. Raises ApiError where it failed."""
    deadline = time.monotonic() + limit
    pause = 0.1
    while not operation.get("done"):
        if time.monotonic() > deadline:
            raise ProviderError(f"Operation {operation.get('name')!r} did not finish within {limit:.0f} s.")
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
        operation = cloud.call("GET", f"{base}{operation['name']}")
    if "error" in operation:
        raise ApiError(int(operation["error"].get("code") or 500), message(500, operation))
    response: Json = operation.get("response") or {}
    return response
