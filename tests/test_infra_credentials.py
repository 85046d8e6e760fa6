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
        raise exceptions.RefreshError(text)  # type: ignore[no-untyped-call]  # google-auth annotates it halfway


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
