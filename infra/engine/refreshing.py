"""The state compared with what really stands: drift is shown, and entered unless only a report is wanted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from infra.engine import urn as names
from infra.engine.deployment import Deployment
from infra.engine.errors import StepError, StoppedError
from infra.engine.object_diff import compare
from infra.engine.planning import marked, standing
from infra.engine.providers import ProviderError, Read
from infra.engine.state import ResourceState, now
from infra.engine.steps import DELETE, SAME, UPDATE, Step
from infra.engine.wire import plain, with_secrets_of


def refresh_all(deployment: Deployment) -> None:
    """Read every resource of the state, many at once."""
    states = [state for state in deployment.ledger.olds() if not state.delete and not state.pending_replacement]
    with ThreadPoolExecutor(deployment.options.parallel) as pool:
        gone = [urn for urn in pool.map(lambda state: _refresh(deployment, state), states) if urn]
    if gone:
        deployment.ledger.forget_names(frozenset(gone))


def _refresh(deployment: Deployment, state: ResourceState) -> str:
    """Refresh one resource; return its URN where it is gone."""
    if deployment.stopping.is_set() or not deployment.targets.cover(state):
        return ""
    try:
        if not state.custom or names.is_provider(state.urn):
            deployment.run(Step(SAME, state.urn, state, state), lambda: state)
            return ""
        return _enter(deployment, state, deployment.registry.get(state.provider).read(standing(state)))
    except StoppedError:
        return ""
    except (StepError, ProviderError) as error:
        deployment.fail(state.urn, str(error))
    except Exception as error:  # noqa: BLE001  (a provider's bug fails its resource, not the deployment)
        deployment.fail(state.urn, f"{type(error).__name__}: {error}")
    return ""


def _enter(deployment: Deployment, state: ResourceState, found: Read | None) -> str:
    if found is None:
        deployment.run(Step(DELETE, state.urn, state), lambda: deployment.ledger.remove(state))
        return state.urn
    new = replace(
        state,
        id=found.id or state.id,
        inputs=with_secrets_of(state.inputs, found.inputs),
        outputs=with_secrets_of(state.outputs, marked(state, found.outputs)),
    )
    if new == state or not _drifted(deployment, state, new):
        deployment.run(Step(SAME, state.urn, state, new), lambda: _swap(deployment, state, new))
        return ""
    changes = compare(plain(state.outputs), plain(new.outputs))
    changes = changes or compare(plain(state.inputs), plain(new.inputs), input_diff=True)
    step = Step(UPDATE, state.urn, state, new, changes)
    deployment.run(step, lambda: _swap(deployment, state, replace(new, modified=now())))
    return ""


def _drifted(deployment: Deployment, state: ResourceState, new: ResourceState) -> bool:
    # What only the service decides (etags, times) is no drift: the provider says whether the wishes still hold.
    if state.external:
        return state.outputs != new.outputs
    provider = deployment.registry.get(state.provider)
    return provider.diff(standing(new), plain(state.inputs), list(state.ignore_changes)).changed


def _swap(deployment: Deployment, state: ResourceState, new: ResourceState) -> ResourceState:
    if new != state:
        deployment.ledger.swap(state, new)
    return new
