"""Whether Google takes the credentials of whoever runs a task: asked before an engine or a job is started."""

from infra.google_client import PredictionApiError, default_credentials, first_line, network_reason
from infra.remedies import LOGIN
from infra.stacks import Stack


def require_credentials(stack: Stack) -> None:
    """Refuse to go on where Google would not take the credentials; a local cloud has its own.

    Raises:
        PredictionApiError: there are none, or they are no longer good.
    """
    if not stack.local_url:
        refreshed()


def refreshed() -> str:
    """Make sure that the credentials are good now, and return whose they are.

    Raises:
        PredictionApiError: there are none, or Google does not take them.
    """
    credentials = default_credentials(None)
    if not credentials.valid:
        _refresh(credentials)
    return str(getattr(credentials, "service_account_email", "a person"))


def _refresh(credentials: object) -> None:
    import google.auth.transport.requests  # noqa: PLC0415  # a second that a local stack does not need
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415  # as above

    try:
        request = google.auth.transport.requests.Request()
        credentials.refresh(request)  # type: ignore[attr-defined]  # any of google-auth's credentials
    except TransportError as error:
        raise PredictionApiError(f"No answer from Google about the credentials: {network_reason(error)}") from None
    except GoogleAuthError as error:
        msg = f"Google Cloud does not take the credentials: {first_line(error)}. {LOGIN}"
        raise PredictionApiError(msg, 401) from None
