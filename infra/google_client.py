"""One connection to Vertex AI, on Google Cloud or a local cloud: its client, its calls, its errors in one line."""

import json
import os
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

# Google's client libraries load when the first call is made: an `up` that changes nothing makes none.
# ruff: noqa: PLC0415
from infra.errors import InfraError
from infra.remedies import LOGIN, is_off, remedy
from infra.settings import LOCAL_TOKEN

Json = dict[str, Any]

CALL_LIMIT = 120  # seconds; Vertex AI itself gives up on a prediction after 60
TRIES = 5  # of a call that may be sent twice
PAUSE = 1.0  # seconds before the second try, doubled before each further one; on a local cloud a tenth of it
PASSING = {429, 500, 502, 503, 504}  # statuses of faults that pass
CREDENTIALS_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
TITLES = {"aiplatform": "Vertex AI", "ml": "AI Platform", "storage": "Cloud Storage"}
# google.rpc.Code in an operation's error -> the HTTP status that the same refusal has in an answer
HTTP_STATUS = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 16: 401}


@dataclass(frozen=True)
class Connection:
    """Where Vertex AI is and as whom to call it; without a token, with application default credentials."""

    project: str
    region: str
    endpoint: str  # what the API's paths (v1/projects/…) are appended to
    token: str | None = None
    api: str = "aiplatform"  # google_apis.py has the others
    version: str = "v1"

    @property
    def parent(self) -> str:
        """The name of the location that everything of the stack lives in."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def local(self) -> bool:
        """Whether the endpoint is a local cloud."""
        return is_loopback(self.endpoint)


class PredictionApiError(InfraError):
    """A refusal of Vertex AI (or no answer from it), in one line that ends with the way out."""

    def __init__(self, message: str, status: int = 0, *, api_off: bool = False) -> None:
        super().__init__(message)
        self.status = status  # the answer's HTTP status; 0: none came
        self.api_off = api_off  # the project has not enabled the API: it holds nothing of it


def connect(outputs: Mapping[str, Any]) -> Connection:
    """Make the connection that a stack's outputs describe."""
    endpoint = str(outputs["apiEndpoint"])
    token = LOCAL_TOKEN if is_loopback(endpoint) else None
    return Connection(str(outputs["project"]), str(outputs["region"]), endpoint, token)


def is_loopback(endpoint: str) -> bool:
    """Say whether an address is on this machine."""
    return urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}


def default_credentials(token: str | None) -> Any:
    """Return credentials for a token (or for GOOGLE_OAUTH_ACCESS_TOKEN), or the application default ones.

    Raises:
        PredictionApiError: there are none.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.oauth2.credentials import Credentials

    token = token or os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")  # as the gcp provider has it
    if token:
        return Credentials(token)  # type: ignore[no-untyped-call]  # google-auth annotates it halfway
    try:
        return google.auth.default(scopes=[CLOUD_PLATFORM])[0]
    except DefaultCredentialsError as error:
        named = os.environ.get(CREDENTIALS_FILE)
        msg = f"No application default credentials for Google Cloud. {LOGIN}"
        if named:
            msg = f"{CREDENTIALS_FILE} is {named!r}: {first_line(error)}. Run: unset {CREDENTIALS_FILE}, then:"
            msg += LOGIN.removeprefix("Run:")
        raise PredictionApiError(msg, 401) from None


def client(connection: Connection) -> Any:
    """Return the API's client of this thread: httplib2's connections are not shared between threads."""
    return _client(connection, threading.get_ident())


def execute(connection: Connection, request: Any, resource: str, *, repeatable: bool = False) -> Json:
    """Send a request; after a fault that passes again, if it reads or is `repeatable`: twice done is once done.

    Raises:
        PredictionApiError: it was refused, or no answer came.
    """
    pause = PAUSE / 10 if connection.local else PAUSE
    for _ in range(TRIES - 1 if repeatable or request.method == "GET" else 0):
        try:
            return _execute(connection, request, resource)
        except PredictionApiError as error:
            # A local cloud that does not answer is not there; one that answers so was told to fail
            if error.status not in PASSING and (error.status or connection.local):
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # many clients must not come back at once
        pause *= 2
    return _execute(connection, request, resource)


def _execute(connection: Connection, request: Any, resource: str) -> Json:
    from google.auth.exceptions import GoogleAuthError, TransportError
    from googleapiclient.errors import Error, HttpError
    from httplib2 import HttpLib2Error

    try:
        answer: Json = request.execute()
    except HttpError as error:
        raise refusal(connection, int(error.resp.status), _body(error), resource) from None
    except TransportError as error:
        raise PredictionApiError(f"No answer from Google about the credentials: {network_reason(error)}") from None
    except GoogleAuthError as error:
        msg = f"Google Cloud does not take the credentials: {first_line(error)}. {LOGIN}"
        raise PredictionApiError(msg, 401) from None
    except (OSError, HttpLib2Error, Error) as error:
        helps = "Run: invoke local.start" if connection.local else "Check the network, then run it again"
        msg = f"No answer from {connection.endpoint} about {resource}: {first_line(error)}. {helps}"
        raise PredictionApiError(msg) from None
    return answer


def refusal(connection: Connection, status: int, body: Mapping[str, Any], resource: str) -> PredictionApiError:
    """Turn Google's error (envelope's `error`, or an operation's) into one line with its remedy."""
    message = " ".join(str(body.get("message", "no reason given")).split()).rstrip(".")
    what = f"{TITLES.get(connection.api, connection.api)} refuses {resource} ({status})"
    helps = "" if "Run: " in message else f" {remedy(connection.api, connection.project, status, body)}"
    return PredictionApiError(f"{what}: {message}.{helps}", status, api_off=is_off(body))


@lru_cache(maxsize=64)
def _client(connection: Connection, _thread: int) -> Any:
    import google_auth_httplib2
    import httplib2
    from googleapiclient.discovery import build

    # A proxy of the environment must not be asked for an address on this machine
    proxy = {"proxy_info": None} if connection.local else {}
    http = google_auth_httplib2.AuthorizedHttp(
        default_credentials(connection.token), http=httplib2.Http(timeout=CALL_LIMIT, **proxy)
    )
    options = {"api_endpoint": connection.endpoint}
    api, version = connection.api, connection.version
    return build(api, version, static_discovery=True, cache_discovery=False, http=http, client_options=options)


def _body(error: Any) -> Json:
    try:
        found = json.loads(error.content)["error"]
        return found if isinstance(found, dict) else {"message": str(found)}
    except (ValueError, KeyError, TypeError):
        return {"message": error.reason or "no reason given"}


def network_reason(error: Exception) -> str:
    """Return why no answer came, without the layers of client libraries around it, and what to do."""
    said = re.findall(r"(?:Failed to resolve|Connection refused|timed out|[Cc]ertificate)[^\"()]*", first_line(error))
    return f"{said[-1].strip() if said else first_line(error)}. Check the network, then run it again"


def first_line(error: Exception) -> str:
    """Return what a client library says, in one line."""
    first = error.args[0] if error.args else ""
    said = first if isinstance(first, str) else str(error)  # google-auth puts the whole answer behind its words
    return (said.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
