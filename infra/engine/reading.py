"""Resources that stand already: read by a program (`get`), or imported into the stack."""

from dataclasses import replace

from infra.engine.deployment import Deployment
from infra.engine.errors import StepError
from infra.engine.goal import Goal
from infra.engine.planning import marked
from infra.engine.providers import UNKNOWN, Properties, Provider, Read, Standing
from infra.engine.state import ResourceState, now
from infra.engine.steps import IMPORT, READ, READ_REPLACEMENT, Step
from infra.engine.wire import plain


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

    step = Step(READ_REPLACEMENT if replaces else READ, new.urn, old, new)
    return deployment.run(step, action) or new


def import_resource(
    deployment: Deployment, goal: Goal, new: ResourceState, old: ResourceState | None, provider: Provider
) -> ResourceState:
    """Take over a resource that stands; the program must describe it as it is.

    Raises:
        StepError: where it does not stand, or is not what the program says.
    """
    # The pickled code of a dynamic provider travels with the inputs: without it nothing can be read.
    code = {key: value for key, value in plain(new.inputs).items() if key == "__provider"}

    def action() -> ResourceState:
        found = _read(provider, new.urn, goal.import_id, code)
        there = Standing(new.urn, found.id, found.inputs or found.outputs, found.outputs)
        diff = provider.diff(there, plain(new.inputs), list(goal.ignore_changes))
        if diff.changed:
            names = ", ".join(diff.properties or diff.diffs) or "its inputs"
            msg = f"cannot import {goal.import_id!r}: it differs from the program in {names}. Describe it as it stands"
            raise StepError(msg)
        time = now()
        state = replace(new, id=found.id, created=time, modified=time)
        state = replace(state, outputs=marked(state, found.outputs))
        if old is not None and not old.external:
            deployment.ledger.record_replacement(state, old)
        else:
            deployment.ledger.record(state, old)
        return state

    return deployment.run(Step(IMPORT, new.urn, old, new), action) or new


def _read(provider: Provider | None, urn: str, id_: str, inputs: Properties) -> Read:
    found = provider.read(Standing(urn, id_, inputs, {})) if provider else None
    if found is None:
        msg = f"no resource {id_!r} stands to be read: check its id"
        raise StepError(msg)
    return found
