"""A program registers a resource: the plan for it is made and carried out at once."""

from dataclasses import replace

from infra.engine import urn as names
from infra.engine.applying import carry_out, keep
from infra.engine.default_providers import provider_of, provider_reference
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError, StoppedError
from infra.engine.goal import Goal, Outcome
from infra.engine.planning import Plan, checked, plan, wanted
from infra.engine.providers import ProviderError
from infra.engine.reading import import_resource, read_resource
from infra.engine.state import ResourceState
from infra.engine.steps import CREATE, SAME, Step
from infra.engine.wire import has_unknown


def register(deployment: Deployment, goal: Goal) -> Outcome:
    """Bring one resource to what the program wants; every failure is an outcome, never an exception."""
    urn = deployment.urn(goal.type, goal.name, goal.parent)
    try:
        deployment.claim(urn)
        return _register(deployment, goal, urn)
    except StoppedError:
        return deployment.skip(urn)
    except (StepError, ProviderError) as error:
        return deployment.fail(urn, str(error))
    except Exception as error:  # noqa: BLE001  (a provider's bug fails its resource, not the deployment)
        return deployment.fail(urn, f"{type(error).__name__}: {error}")


def _register(deployment: Deployment, goal: Goal, urn: str) -> Outcome:
    if deployment.stopping.is_set():
        return deployment.skip(urn)
    reference = provider_reference(deployment, goal, register)
    old = deployment.find_old(goal, urn)
    if not _targeted(deployment, urn):
        return _left_as_is(deployment, goal, urn, old)
    missing = deployment.blockers(goal, reference)
    if missing or (has_unknown(goal.inputs) and not deployment.options.preview):
        return _without(deployment, urn, missing)
    deployment.judge(goal.type, goal.inputs)
    if names.is_provider(urn) and goal.version:
        goal = replace(goal, inputs={"version": goal.version, **goal.inputs})
    parent = deployment.ledger.new(goal.parent) if goal.parent else None
    new = wanted(goal, urn, old, parent, reference)
    provider = provider_of(deployment, new)
    if goal.read_id:
        return _outcome(read_resource(deployment, goal, new, old, provider))
    if goal.import_id and provider and (old is None or old.external or old.id != goal.import_id):
        return _outcome(import_resource(deployment, goal, checked(provider, new, None), old, provider))
    state = carry_out(deployment, plan(goal, new, old, provider), old, provider)
    if names.is_provider(urn):
        deployment.registry.add(names.reference(urn, state.id), state.inputs)
    return _outcome(state)


def _outcome(state: ResourceState) -> Outcome:
    return Outcome(state.urn, state.id, state.outputs)


def _targeted(deployment: Deployment, urn: str) -> bool:
    always = names.type_of(urn) == names.STACK_TYPE or names.is_provider(urn)
    return always or deployment.options.targeted(urn)


def _left_as_is(deployment: Deployment, goal: Goal, urn: str, old: ResourceState | None) -> Outcome:
    if old is not None:
        state = deployment.run(Step(SAME, urn, old, old), lambda: keep(deployment, replace(old, urn=urn), old))
        return _outcome(state or old)
    if not goal.custom:
        new = wanted(goal, urn, None, None, "")
        return _outcome(carry_out(deployment, Plan(CREATE, new), None, None))
    with deployment.lock:
        deployment.left_out.add(urn)
    return Outcome(urn, result="skipped")


def _without(deployment: Deployment, urn: str, missing: set[str]) -> Outcome:
    if missing & deployment.left_out:
        needed = ", ".join(sorted(missing & deployment.left_out))
        raise StepError(f"it needs what --target leaves out: name that too: --target '{needed}'")
    return deployment.skip(urn)
