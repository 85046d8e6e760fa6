"""Resources that stand already: read by a program (`get`), or imported into the stack."""

from dataclasses import replace

from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.goal import Goal
from infra.engine.planning import marked
from infra.engine.providers import UNKNOWN, Properties, Provider, Read, Standing
from infra.engine.state import ResourceState, now
from infra.engine.steps import IMPORT, READ, REPLACE, Step
from infra.engine.wire import plain, with_secrets_of


def read_resource(
    deployment: Deployment, goal: Goal, new: ResourceState, old: ResourceState | None, provider: Provider | None
) -> ResourceState:
    """Read a resource that others manage; the state notes it as external."""
    replaces = old is not None and not old.external and old.id != goal.read_id
    if goal.read_id == UNKNOWN:
        state = replace(new, external=True, outputs={})
        deployment.ledger.record(state, old)
        return state

    def action() -> ResourceState:
        found = _read(provider, new.urn, goal.read_id, plain(new.inputs))
        time = old.created if old and not replaces else now()
        state = replace(new, id=found.id, external=True, created=time, modified=time)
        state = replace(state, outputs=marked(state, found.outputs))
        if replaces and old is not None:
            deployment.ledger.record_replacement(state, old)
        else:
            deployment.ledger.record(state, old)
        return state

    step = Step(REPLACE if replaces else READ, new.urn, old, new)
    return deployment.run(step, action) or new


def import_resource(
    deployment: Deployment, goal: Goal, new: ResourceState, old: ResourceState | None, provider: Provider
) -> ResourceState:
    """Take over a resource as it stands; where the program says otherwise, an update follows.

    Raises:
        StepError: where it does not stand.
    """
    # The pickled code of a dynamic provider travels with the inputs: without it nothing can be read.
    code = {key: value for key, value in plain(new.inputs).items() if key == "__provider"}
    replaces = old is not None and not old.external

    def action() -> ResourceState:
        found = _read(provider, new.urn, goal.import_id, code)
        time = now()
        inputs = with_secrets_of(new.inputs, found.inputs or found.outputs)
        state = replace(new, id=found.id, inputs=inputs, created=time, modified=time)
        state = replace(state, outputs=marked(state, found.outputs))
        if replaces and old is not None:
            deployment.ledger.record_replacement(state, old)
        else:
            deployment.ledger.record(state, old)
        return state

    return deployment.run(Step(REPLACE if replaces else IMPORT, new.urn, old, new), action) or new


def _read(provider: Provider | None, urn: str, id_: str, inputs: Properties) -> Read:
    found = provider.read(Standing(urn, id_, inputs, {})) if provider else None
    if found is None:
        msg = f"no resource {id_!r} stands to be read: check its id"
        raise StepError(msg)
    return found
