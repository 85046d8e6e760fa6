"""Dynamic resources: what a provider class raised, as its user reads it."""

import grpc
import pytest

from infra.engine.dynamic_provider import _reason

TRACEBACK = 'Exception calling application: Traceback (most recent call last):\n  File "x.py", line 1, in create\n'


class Refused(grpc.RpcError):  # type: ignore[misc]  # grpcio publishes no types
    """An answer of the SDK's server with its details."""

    def details(self) -> str:
        """Return what the server sends."""
        return str(self.args[0])

    def code(self) -> grpc.StatusCode:
        """Return the code of whatever a class raises."""
        return grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("Exception: no such thing: 7", "no such thing: 7"),
        ("infra.google_client.PredictionApiError: Vertex AI refuses x (400): y", "Vertex AI refuses x (400): y"),
        ("KeyError: 'name'", "KeyError: 'name'"),
        ("AssertionError", "AssertionError"),
    ],
)
def test_a_failure_is_what_the_class_said(raised: str, told: str) -> None:
    """A message that was written to be read stands alone; Python's own errors keep their class."""
    assert _reason(Refused(TRACEBACK + raised)) == told
