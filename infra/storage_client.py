"""One connection to Cloud Storage, Google's or a local cloud's: its client, its retries, its errors in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

# Google's client library loads in half a second: not before something is transferred.
# ruff: noqa: PLC0415
from infra.errors import InfraError
from infra.google_client import default_credentials, is_loopback, network_reason
from infra.remedies import LOGIN, remedy
from infra.settings import LOCAL_TOKEN


class StorageError(InfraError):
    """A transfer that cannot be done, in one line that ends with the way out."""


def storage_client(outputs: Mapping[str, Any]) -> Any:
    """Return the google-cloud-storage client for a stack's outputs; threads share it, as Google's own transfers do."""
    return _client(str(outputs["project"]), str(outputs["storageEndpoint"]))


def retry(outputs: Mapping[str, Any]) -> Any:
    """Return how often to try again: for two minutes at Google; a local cloud that does not answer is not there."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return None if is_loopback(str(outputs["storageEndpoint"])) else DEFAULT_RETRY


@contextmanager
def in_one_line(outputs: Mapping[str, Any], uri: str) -> Iterator[None]:
    """Turn what the client library raises about `uri` into a StorageError."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError, Unauthorized
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except NotFound:
        helps = "Run: invoke up" if uri.count("/") < 4 else f"Run: gcloud storage ls {uri.rpartition('/')[0]}/"
        msg = f"Cloud Storage has no {uri!r}. {helps}"
        raise StorageError(msg) from None
    except Unauthorized as error:
        raise StorageError(f"Cloud Storage does not take the credentials: {_line(error)}. {LOGIN}") from None
    except TransportError as error:
        raise StorageError(f"No answer from Google about the credentials: {network_reason(error)}") from None
    except GoogleAuthError as error:
        raise StorageError(f"Google Cloud does not take the credentials: {_line(error)}. {LOGIN}") from None
    except GoogleAPICallError as error:
        helps = remedy("storage", str(outputs["project"]), int(error.code or 0), _body(error))
        raise StorageError(f"Cloud Storage refuses {uri!r}: {_line(error)}. {helps}") from None
    except DataCorruption as error:
        raise StorageError(f"Cloud Storage refuses {uri!r}: {_line(error)}. Run it again") from None
    except (requests.RequestException, RetryError, ConnectionError) as error:
        endpoint = str(outputs["storageEndpoint"])
        helps = "Run: invoke local.start" if is_loopback(endpoint) else "Check the network, then run it again"
        raise StorageError(f"No answer from {endpoint} about {uri!r}: {_line(error)}. {helps}") from None


@lru_cache(maxsize=32)
def _client(project: str, endpoint: str) -> Any:
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.storage import Client

    local = is_loopback(endpoint)
    credentials = default_credentials(LOCAL_TOKEN if local else None)
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google-auth annotates it halfway
    # A proxy of the environment must not be asked for an address on this machine
    session.trust_env = not local
    return Client(project, credentials, _http=session, client_options={"api_endpoint": endpoint})


def _body(error: "GoogleAPICallError") -> Mapping[str, Any]:
    """Return the envelope's `error`, where the answer had one."""
    return {"message": str(error.message), "errors": list(error.errors or ())}


def _line(error: Exception) -> str:
    message = getattr(error, "message", "") or str(error) or type(error).__name__
    return str(message).strip().splitlines()[0].rstrip(".")
