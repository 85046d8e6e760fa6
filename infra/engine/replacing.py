"""Deletion ahead of a replacement: first of the dependents that cannot stand without the resource, then of itself."""

from dataclasses import replace

from infra.engine import urn as names
from infra.engine.deleting import delete_in_provider
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.planning import Plan, protected, standing
from infra.engine.providers import UNKNOWN
from infra.engine.state import ResourceState
from infra.engine.steps import DELETE_REPLACED, Step
from infra.engine.wire import plain


def delete_for_replacement(deployment: Deployment, old: ResourceState, planned: Plan) -> ResourceState:
    """Delete a resource, before it the dependents that go with it; return it as one that waits for its successor."""
    with deployment.lock:
        dependents = replaced_with(deployment, old, planned.new.urn)
        for dependent in dependents:
            if dependent.protect:
                name = names.name_of(planned.new.urn)
                raise StepError(protected(f"replace {name!r}, for that would replace", dependent.urn))
        deployment.condemned.update(dependent.urn for dependent in dependents)
    for dependent in reversed(dependents):
        _delete(deployment, dependent)
    return old if old.pending_replacement else _delete(deployment, old)


def replaced_with(deployment: Deployment, root: ResourceState, urn: str) -> list[ResourceState]:
    """Return the dependents that would be replaced were the root's outputs unknown, in the state's order.

    `urn` is the root's name of today.
    """
    replaced = {root.urn, urn}
    found: list[ResourceState] = []
    for state in deployment.ledger.olds():
        if state is root or not state.custom or state.external or state.delete or state.pending_replacement:
            continue
        if deployment.claimed(state.urn) or state.urn in deployment.condemned:
            continue
        if names.referred(state.provider) in replaced or _must_replace(deployment, state, replaced):
            replaced.add(state.urn)
            found.append(state)
    return found


def _must_replace(deployment: Deployment, state: ResourceState, replaced: set[str]) -> bool:
    touched = {key for key, urns in state.property_dependencies.items() if replaced & set(urns)}
    if not touched & state.inputs.keys():
        return False
    inputs = {key: UNKNOWN if key in touched else plain(value) for key, value in state.inputs.items()}
    diff = deployment.registry.get(state.provider).diff(standing(state), inputs, [])
    return bool(diff.replace_keys) or any(change.kind.endswith("-replace") for change in diff.properties.values())


def _delete(deployment: Deployment, old: ResourceState) -> ResourceState:
    waiting = replace(old, pending_replacement=True)

    def action() -> None:
        with deployment.ledger.operation("deleting", old) as operation:
            delete_in_provider(deployment, old)
            deployment.ledger.swap(old, waiting, ends=operation)

    deployment.run(Step(DELETE_REPLACED, old.urn, old), action)
    return waiting
