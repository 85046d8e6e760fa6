"""Deletion in reverse order: a resource goes when nothing that needs it is left."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from infra.engine import urn as names
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError, StoppedError
from infra.engine.planning import protected, standing
from infra.engine.providers import ProviderError
from infra.engine.state import ResourceState, needs
from infra.engine.steps import DELETE, DELETE_REPLACED, DISCARD, DISCARD_REPLACED, REMOVE_PENDING, Step


def delete_leftovers(deployment: Deployment) -> None:
    """Delete what the program no longer declares, and the old halves of replacements."""
    delete_all(deployment, doomed(deployment))


def doomed(deployment: Deployment) -> list[ResourceState]:
    """Return what goes of the old resources; with targets those, and what cannot stand without them."""
    chosen: list[ResourceState] = []
    going: set[str] = set()
    for state in deployment.ledger.olds():
        if not deployment.targets.name(state.urn):
            if not needs(state) & going:
                continue
            if not deployment.options.target_dependents:
                deployment.complain(state.urn, "it depends on a target. Name it too, or pass --target-dependents")
        chosen.append(state)
        going.add(state.urn)
    return chosen if deployment.tally.ok or deployment.options.preview else []


def unprotected(deployment: Deployment) -> list[ResourceState]:
    """Return what goes, without the protected resources and what they need."""
    chosen: list[ResourceState] = []
    kept: set[str] = set()
    for state in reversed(doomed(deployment)):
        if (state.protect and not state.delete) or state.urn in kept:
            kept |= needs(state)
        else:
            chosen.insert(0, state)
    return chosen


def delete_all(deployment: Deployment, doomed: Iterable[ResourceState]) -> None:
    """Delete resources, dependents first, independent ones at once; after a failure nothing more is begun."""
    waiting = list(doomed)
    going = frozenset(state.urn for state in waiting)
    with ThreadPoolExecutor(deployment.options.parallel) as pool:
        for states in _rounds(waiting):
            if not all(list(pool.map(lambda state: _delete(deployment, state, going), states))):
                return


def _rounds(waiting: list[ResourceState]) -> list[list[ResourceState]]:
    """Split into rounds: each needs only what goes in later ones."""
    rounds: list[list[ResourceState]] = []
    while waiting:
        there = {state.urn for state in waiting}
        # A cycle cannot stand in a sound state; were there one, its first member would be taken as free.
        free = [state for state in waiting if not needs(state) & there] or waiting[:1]
        waiting = [state for state in waiting if not any(state is other for other in free)]
        rounds.insert(0, free)
    return rounds


def _delete(deployment: Deployment, state: ResourceState, going: frozenset[str]) -> bool:
    try:
        if state.protect and not (state.delete or state.pending_replacement):
            raise StepError(protected("delete", state.urn))
        deployment.run(Step(_operation(state), state.urn, state), lambda: _remove(deployment, state, going))
    except StoppedError:
        return False
    except (StepError, ProviderError) as error:
        deployment.fail(state.urn, str(error))
    except Exception as error:  # noqa: BLE001  (a provider's bug fails its resource, not the deployment)
        deployment.fail(state.urn, f"{type(error).__name__}: {error}")
    else:
        return True
    return False


def _operation(state: ResourceState) -> str:
    if state.external:
        return DISCARD_REPLACED if state.delete else DISCARD
    if state.delete:
        return DELETE_REPLACED
    return REMOVE_PENDING if state.pending_replacement else DELETE


def _remove(deployment: Deployment, state: ResourceState, going: frozenset[str]) -> None:
    if deployment.options.preview or not state.custom:
        deployment.ledger.remove(state)
        return
    with deployment.ledger.operation("deleting", state) as operation:
        if state.deleted_with not in going:
            delete_in_provider(deployment, state)
        deployment.ledger.remove(state, ends=operation)


def delete_in_provider(deployment: Deployment, state: ResourceState) -> None:
    """Let the provider delete a resource, unless nothing stands there or it is to stay."""
    if deployment.options.preview or not state.custom or state.external or state.pending_replacement:
        return
    if names.is_provider(state.urn):
        return
    if state.retain_on_delete:
        deployment.tally.retained.append(state.urn)
        return
    provider = deployment.registry.get(state.provider)
    provider.delete(standing(state), state.custom_timeouts.get("delete", 0.0))
