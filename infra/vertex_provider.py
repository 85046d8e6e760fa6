"""What the dynamic resources over Vertex AI share: the connection, the checks of inputs, errors in one line."""

import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pulumi.dynamic import CheckFailure, CheckResult, ConfigureRequest, ResourceProvider
from pulumi.output import Unknown

from infra.google_client import Connection, PredictionApiError
from infra.model_fields import Props
from infra.settings import vertex_endpoint

Verb = TypeVar("Verb", bound=Callable[..., Any])

PROVIDER_KEY = "__provider"
CONFIG_KEYS = ("gcp:vertexAiCustomEndpoint", "gcp:accessToken")
LABEL = re.compile(r"[a-z0-9_-]{0,63}")


class VertexProvider(ResourceProvider):
    """Reaches Vertex AI as the stack's gcp configuration says.

    The SDK pickles a provider by reference: its class must stay importable under its name for as long as a stack's
    state mentions it.
    """

    serialize_as_secret_always = False  # it captures no secret: keep it readable in the state

    def configure(self, req: ConfigureRequest) -> None:
        """Take the endpoint and the token from the stack's configuration."""
        self.config = {key: req.config.get(key) for key in CONFIG_KEYS}

    def connection(self, name: str) -> Connection:
        """Return the connection for a resource's project and region, which its full name says."""
        _, project, _, region, *_ = name.split("/")
        return Connection(project, region, vertex_endpoint(self.config, region), self.config["gcp:accessToken"])


def in_one_line(verb: Verb) -> Verb:
    """Let a provider's verb refuse in one line: the SDK's server sends the whole traceback of what it raises."""

    @functools.wraps(verb)
    def call(*arguments: Any) -> Any:
        try:
            return verb(*arguments)
        except PredictionApiError as error:
            sys.tracebacklimit = 0
            raise error.with_traceback(None) from None

    return call  # type: ignore[return-value]  # wraps keeps the verb's signature


def checked(news: Props, findings: Iterable[tuple[str, bool, str]]) -> CheckResult:
    """Answer a check: every finding is a property, whether it is right (unknown yet is), and what is wanted."""
    inputs = {key: plain(value) for key, value in news.items()}
    failures = [
        CheckFailure(key, f"is {inputs.get(key)!r}; wanted: {wanted}")
        for key, right, wanted in findings
        if not right and not isinstance(inputs.get(key), Unknown)
    ]
    return CheckResult(inputs, failures)


def plain(value: Any) -> Any:
    """Return a value of Pulumi's wire with whole numbers as int: Google's APIs refuse 8080.0 for a port."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def own(props: Mapping[str, Any]) -> Props:
    """Return a resource's own properties, numbers plain, without the SDK's."""
    return {key: plain(value) for key, value in props.items() if key != PROVIDER_KEY}


def changed(olds: Mapping[str, Any], news: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return which of the keys differ; unknown yet counts as different."""
    return [key for key in keys if plain(olds.get(key)) != plain(news.get(key))]


def text(value: Any, low: int = 1, high: int = 128) -> bool:
    """Say whether a value is text of a length."""
    return isinstance(value, str) and low <= len(value) <= high


def labels_are_right(value: Any) -> bool:
    """Say whether a value is a map of labels that Vertex AI takes."""
    return isinstance(value, Mapping) and all(
        isinstance(item, Unknown) or (bool(key) and bool(LABEL.fullmatch(key)) and bool(LABEL.fullmatch(str(item))))
        for key, item in value.items()
    )
