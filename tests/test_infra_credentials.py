"""Credentials are asked for before an engine or a job is started: one line says which command brings them."""

from pathlib import Path
from typing import Any

import pytest
from google.auth import exceptions

from infra.credentials import require_credentials
from infra.google_client import PredictionApiError
from infra.stacks import Stack

GOOGLE = Stack("dev", Path("Pulumi.dev.yaml"), {"gcp:project": "my-project"})


class Expired:
    """Credentials that Google no longer takes."""

    valid = False

    def refresh(self, _request: Any) -> None:
        """Fail as a personal login does after its time."""
        text = "Reauthentication is needed. Please run `gcloud auth application-default login`.\nmore"
        raise exceptions.RefreshError(text, {"error": "invalid_grant"})  # type: ignore[no-untyped-call]  # google-auth annotates it halfway


def test_expired_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the engine would start, and its provider fail in twenty lines."""
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setattr("google.auth.default", lambda **_: (Expired(), "p"))
    with pytest.raises(PredictionApiError, match="does not take the credentials: Reauthentication is needed") as caught:
        require_credentials(GOOGLE)
    assert str(caught.value).endswith("Run: gcloud auth application-default login")
    assert "\n" not in str(caught.value)


def test_a_token_is_taken_as_it_is_and_a_local_cloud_takes_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline brings its own token; a local stack needs nobody's."""
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token")
    require_credentials(GOOGLE)
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN")
    monkeypatch.setattr("google.auth.default", None)
    local = {"gcp:storageCustomEndpoint": "http://127.0.0.1:8790/storage/v1/"}
    require_credentials(Stack("local", Path("Pulumi.local.yaml"), local))


class Offline:
    """Credentials that nobody can be asked about."""

    valid = False

    def refresh(self, _request: Any) -> None:
        """Fail as requests does without a network."""
        text = "HTTPSConnectionPool(host='oauth2'): Max retries exceeded (Caused by NameResolutionError(\"oauth2: "
        raise exceptions.TransportError(  # type: ignore[no-untyped-call]  # as above
            text + "Failed to resolve 'oauth2.googleapis.com' ([Errno -2] Name or service not known)\"))"
        )


def test_no_network_is_no_fault_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new login would not help: the line says what did not answer."""
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setattr("google.auth.default", lambda **_: (Offline(), "p"))
    with pytest.raises(PredictionApiError) as caught:
        require_credentials(GOOGLE)
    reason = "Failed to resolve 'oauth2.googleapis.com'. Check the network, then run it again"
    assert str(caught.value) == f"No answer from Google about the credentials: {reason}"


def test_a_file_of_credentials_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A login would change nothing as long as the variable names the file."""
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(PredictionApiError, match=r"GOOGLE_APPLICATION_CREDENTIALS is .*none.json': .* was not found"):
        require_credentials(GOOGLE)
