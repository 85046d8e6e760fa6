"""The provider of a resource that names none: one of its package, configured by the stack."""

from collections.abc import Callable
from dataclasses import replace

from infra.engine import urn as names
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.goal import Goal, Outcome
from infra.engine.provider_resources import ProviderResources
from infra.engine.providers import Provider
from infra.engine.state import ResourceState

Register = Callable[[Deployment, Goal], Outcome]


def provider_reference(deployment: Deployment, goal: Goal, register: Register) -> str:
    """Return the provider that a goal names, or the default one of its package."""
    if not goal.custom or goal.type.startswith(names.PROVIDER_PREFIX):
        return ""
    return goal.provider or default_provider(deployment, names.package_of(goal.type), goal.version, register)


def default_provider(deployment: Deployment, package: str, version: str, register: Register) -> str:
    """Return the provider that a package's resources get when they name none; registered when first needed."""
    name = f"default_{version.replace('.', '_')}" if version else "default"
    goal = Goal(names.PROVIDER_PREFIX + package, name, custom=True, inputs={})
    urn = deployment.urn(goal.type, name, "")
    with deployment.providers_lock:
        if not deployment.claimed(urn):
            _register_default(deployment, goal, version, register)
        state = deployment.ledger.new(urn)
    return names.reference(urn, state.id if state else "")


def _register_default(deployment: Deployment, goal: Goal, version: str, register: Register) -> None:
    package = names.package_of(goal.type)
    urn = deployment.urn(goal.type, goal.name, "")
    try:
        deployment.registry.factory(package)
        inputs = deployment.default_inputs(package, version)
    except StepError as error:
        deployment.claim(urn)
        deployment.fail(urn, str(error))
        return
    register(deployment, replace(goal, inputs=inputs))


def provider_of(deployment: Deployment, state: ResourceState) -> Provider | None:
    """Return who serves a resource; nobody serves components."""
    if not state.custom:
        return None
    if names.is_provider(state.urn):
        return ProviderResources()
    return deployment.registry.get(state.provider)
