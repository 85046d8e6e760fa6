"""A plan carried out: the provider is called, and its answer is in the state before anybody builds on it."""

from dataclasses import replace

from infra.engine.deployment import Deployment
from infra.engine.planning import Plan, marked, standing
from infra.engine.providers import Created, Properties, Provider, ProviderError
from infra.engine.replacing import delete_for_replacement
from infra.engine.state import PendingOperation, ResourceState, now
from infra.engine.steps import REPLACE, SAME, UPDATE, Step
from infra.engine.wire import plain


def carry_out(
    deployment: Deployment, planned: Plan, old: ResourceState | None, provider: Provider | None
) -> ResourceState:
    """Do what was planned for one resource and enter the result."""
    if planned.op == REPLACE and old is not None and planned.delete_first:
        old = delete_for_replacement(deployment, old, planned)

    def action() -> ResourceState:
        if planned.op == SAME and old is not None:
            return keep(deployment, planned.new, old)
        if planned.op == UPDATE and old is not None:
            return _update(deployment, planned.new, old, provider)
        return _create(deployment, planned, old, provider)

    diff = planned.diff
    changes = diff.properties or (None if not diff.diffs else {})
    step = Step(planned.op, planned.new.urn, old, planned.new, changes, diff.diffs, diff.replace_keys)
    return deployment.run(step, action) or planned.new


def keep(deployment: Deployment, new: ResourceState, old: ResourceState) -> ResourceState:
    """Enter a resource that stays as it is; what the program says about it may be new."""
    state = replace(
        new,
        id=old.id,
        outputs=marked(new, old.outputs),
        created=old.created,
        modified=old.modified,
        import_id=new.import_id or old.import_id,
    )
    deployment.ledger.record(state, old)
    return state


def _update(deployment: Deployment, new: ResourceState, old: ResourceState, provider: Provider | None) -> ResourceState:
    def made(outputs: Properties) -> ResourceState:
        return replace(new, id=old.id, outputs=outputs, created=old.created, modified=now())

    if provider is None:
        state = made(old.outputs)
        deployment.ledger.record(state, old)
        return state
    timeout = new.custom_timeouts.get("update", 0.0)
    preview = deployment.options.preview
    with deployment.ledger.operation("updating", old) as operation:
        try:
            outputs = provider.update(standing(old), plain(new.inputs), timeout, preview, list(new.ignore_changes))
        except ProviderError as error:
            if error.partial is not None:
                state = replace(made(marked(new, error.partial.outputs)), init_errors=(str(error),))
                deployment.ledger.record(state, old, ends=operation)
            raise
        state = made(marked(new, outputs))
        deployment.ledger.record(state, old, ends=operation)
    return state


def _create(
    deployment: Deployment, planned: Plan, old: ResourceState | None, provider: Provider | None
) -> ResourceState:
    new = planned.new
    timeout = new.custom_timeouts.get("create", 0.0)
    with deployment.ledger.operation("creating", new) as operation:
        try:
            if provider is None:
                created = Created("", {})
            else:
                created = provider.create(new.urn, plain(new.inputs), timeout, deployment.options.preview)
        except ProviderError as error:
            if error.partial is not None:
                _enter(deployment, replace(_made(new, error.partial), init_errors=(str(error),)), old, operation)
            raise
        state = _made(new, created)
        _enter(deployment, state, old, operation)
    return state


def _made(new: ResourceState, created: Created) -> ResourceState:
    time = now()
    return replace(new, id=created.id, outputs=marked(new, created.outputs), created=time, modified=time)


def _enter(
    deployment: Deployment, state: ResourceState, old: ResourceState | None, operation: PendingOperation
) -> None:
    gone = old is None or old.pending_replacement or old.external
    if gone or old is None:
        deployment.ledger.record(state, old, ends=operation)
    else:
        deployment.ledger.record_replacement(state, old, ends=operation)
