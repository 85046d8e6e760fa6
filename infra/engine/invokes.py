"""Functions that a program calls in a provider: the engine's own, and those that a provider implements."""

from typing import Any, Protocol, runtime_checkable

from infra.engine import urn as names
from infra.engine.default_providers import default_provider
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.providers import Properties, ProviderError
from infra.engine.registration import register
from infra.engine.wire import plain


@runtime_checkable
class Invokable(Protocol):
    """A provider with functions beside its resources."""

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Call a function by its token."""


def invoke(deployment: Deployment, token: str, arguments: Properties, provider: str, version: str) -> Properties:
    """Call a function and return its answer.

    Raises:
        StepError: where there is no such function, or it fails.
    """
    if token == "pulumi:pulumi:getResource":  # noqa: S105  (a function's name)
        return _get_resource(deployment, str(arguments.get("urn")))
    package = names.package_of(token)
    reference = provider or default_provider(deployment, package, version, register)
    served = deployment.registry.get(reference)
    if not isinstance(served, Invokable):
        msg = f"the function {token!r} is beyond the embedded engine. The Pulumi CLI has it: --engine pulumi"
        raise StepError(msg)
    try:
        return served.invoke(token, plain(arguments))
    except ProviderError as error:
        msg = f"the function {token!r}: {error}"
        raise StepError(msg) from error


def _get_resource(deployment: Deployment, urn: str) -> dict[str, Any]:
    state = deployment.ledger.new(urn)
    if state is None:
        msg = f"no resource {urn!r} in this stack"
        raise StepError(msg)
    return {"urn": state.urn, "id": state.id, "state": state.outputs}
