"""A program registers a resource: the plan for it is made and carried out at once."""

from dataclasses import replace

from infra.engine import urn as names
from infra.engine.applying import carry_out, keep
from infra.engine.default_providers import provider_of, provider_reference
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError, StoppedError
from infra.engine.goal import Goal, Outcome
from infra.engine.planning import Plan, plan, wanted
from infra.engine.providers import ProviderError
from infra.engine.reading import import_resource, read_resource
from infra.engine.state import ResourceState
from infra.engine.steps import SAME, Step
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
    parent = deployment.ledger.new(goal.parent) if goal.parent else None
    if not _targeted(deployment, wanted(replace(goal, ignore_changes=()), urn, old, parent, reference)):
        return _left_as_is(deployment, urn, old)
    missing = deployment.blockers(goal, reference)
    if missing or (has_unknown(goal.inputs) and not deployment.options.preview):
        return _without(deployment, urn, missing)
    deployment.judge(goal.type, goal.inputs)
    if names.is_provider(urn) and goal.version:
        goal = replace(goal, inputs={"version": goal.version, **goal.inputs})
    new = wanted(goal, urn, old, parent, reference)
    provider = provider_of(deployment, new)
    if goal.read_id:
        return _outcome(read_resource(deployment, goal, new, old, provider))
    imported = _imports(goal, old) and provider is not None
    if provider is not None and imported:
        old = import_resource(deployment, goal, new, old, provider)
        new = wanted(goal, urn, old, parent, reference)
    with deployment.active():
        planned = plan(goal, new, old, provider, urn in deployment.condemned)
    _object(deployment, planned)
    if old is not None and imported and planned.op == SAME:
        return _outcome(keep(deployment, planned.new, old))
    state = carry_out(deployment, planned, old, provider)
    if names.is_provider(urn):
        deployment.registry.add(names.reference(urn, state.id), state.inputs)
    return _outcome(state)


def _imports(goal: Goal, old: ResourceState | None) -> bool:
    # What an import names may be another form of the id than the one that the provider gives.
    return bool(goal.import_id) and (old is None or old.external or (old.import_id or old.id) != goal.import_id)


def _object(deployment: Deployment, planned: Plan) -> None:
    if not deployment.options.preview:
        for message in (*planned.objections, *planned.warnings):
            raise StepError(message)
    for message in planned.objections:
        deployment.complain(planned.new.urn, message)
    for message in planned.warnings:
        deployment.events.log("warning", message, planned.new.urn)


def _targeted(deployment: Deployment, new: ResourceState) -> bool:
    covered = deployment.targets.cover(new)
    return covered or names.type_of(new.urn) == names.STACK_TYPE or names.is_provider(new.urn)


def _outcome(state: ResourceState) -> Outcome:
    return Outcome(state.urn, state.id, state.outputs)


def _left_as_is(deployment: Deployment, urn: str, old: ResourceState | None) -> Outcome:
    if old is not None:
        state = deployment.run(Step(SAME, urn, old, old), lambda: keep(deployment, replace(old, urn=urn), old))
        return _outcome(state or old)
    with deployment.lock:
        deployment.left_out.add(urn)
    return Outcome(urn, result="skipped")


def _without(deployment: Deployment, urn: str, missing: set[str]) -> Outcome:
    if missing & deployment.left_out:
        needed = ", ".join(sorted(missing & deployment.left_out))
        raise StepError(f"it needs what --target leaves out: name that too: --target '{needed}'")
    return deployment.skip(urn)
