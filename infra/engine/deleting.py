"""Deletion in reverse order: a resource goes when nothing that needs it is left."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from infra.engine import urn as names
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError, StoppedError
from infra.engine.planning import protected, standing
from infra.engine.providers import ProviderError
from infra.engine.state import ResourceState
from infra.engine.steps import DELETE, DELETE_REPLACED, READ_DISCARD, Step


def delete_leftovers(deployment: Deployment) -> None:
    """Delete what the program no longer declares, and the old halves of replacements."""
    doomed = [state for state in deployment.ledger.olds() if deployment.options.targeted(state.urn)]
    delete_all(deployment, doomed)


def delete_all(deployment: Deployment, doomed: Iterable[ResourceState]) -> None:
    """Delete resources, dependents first, independent ones at once; what cannot go holds what it needs."""
    waiting = list(doomed)
    going = frozenset(state.urn for state in waiting)
    running: dict[Future[bool], ResourceState] = {}
    held: set[str] = set()
    with ThreadPoolExecutor(deployment.options.parallel) as pool:
        while waiting or running:
            for state in _ready(waiting, running.values()):
                waiting = [other for other in waiting if other is not state]
                if state.urn in held or deployment.stopping.is_set():
                    held |= _needs(state)
                else:
                    running[pool.submit(_delete, deployment, state, going)] = state
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                state = running.pop(future)
                if not future.result():
                    held |= _needs(state)


def _ready(waiting: list[ResourceState], running: Iterable[ResourceState]) -> Iterator[ResourceState]:
    busy: set[str] = set()
    for state in (*running, *waiting):
        busy |= _needs(state)
    # A cycle cannot stand in a sound state; were there one, its last member goes first.
    free = [state for state in reversed(waiting) if state.urn not in busy]
    yield from free or ([] if list(running) else waiting[-1:])


def _needs(state: ResourceState) -> set[str]:
    needed = {*state.dependencies, state.parent, names.referred(state.provider), state.deleted_with}
    return needed.union(*state.property_dependencies.values()) - {"", state.urn}


def _delete(deployment: Deployment, state: ResourceState, going: frozenset[str]) -> bool:
    try:
        if state.protect and not state.delete:
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
    if state.pending_replacement or state.external:
        return READ_DISCARD
    return DELETE_REPLACED if state.delete else DELETE


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
