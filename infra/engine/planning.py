"""A goal beside what stands: create, keep, update or replace, and what a change touches."""

from dataclasses import dataclass, replace

from infra.engine import paths
from infra.engine import urn as names
from infra.engine.errors import StepError
from infra.engine.goal import Goal, seconds
from infra.engine.ignoring import keep_old
from infra.engine.providers import Diff, DiffKind, PropertyDiff, Provider, Standing
from infra.engine.state import ResourceState
from infra.engine.steps import CREATE, REPLACE, SAME, UPDATE
from infra.engine.wire import plain, with_secret_keys, with_secrets_of

_REPLACING: dict[DiffKind, DiffKind] = {"add": "add-replace", "delete": "delete-replace", "update": "update-replace"}


NO_CHANGE = Diff(changed=False)
KEPT_IMPORT = (
    "a resource that was imported and still names its id may not be replaced: drop `import_` from its resource options"
)
INIT_ERROR = "#initerror"  # Pulumi's key for a resource whose last operation ended half-way


@dataclass(frozen=True)
class Plan:
    """What will be done: `op` is one of same, create, update, replace."""

    op: str
    new: ResourceState
    diff: Diff = NO_CHANGE
    delete_first: bool = False
    objections: tuple[str, ...] = ()  # why it will not be done
    warnings: tuple[str, ...] = ()  # likewise, where a preview only warns


def wanted(
    goal: Goal, urn: str, old: ResourceState | None, parent: ResourceState | None, provider: str
) -> ResourceState:
    """Say what a goal asks for as a state would have it; what it leaves open its parent decides."""
    inherited = parent or ResourceState(urn="", type="")
    return ResourceState(
        urn=urn,
        type=goal.type,
        custom=goal.custom,
        inputs=keep_old(goal.inputs, old.inputs, goal.ignore_changes) if old else goal.inputs,
        parent=goal.parent,
        protect=inherited.protect if goal.protect is None else goal.protect,
        retain_on_delete=inherited.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete,
        dependencies=tuple(sorted(goal.dependencies)),
        property_dependencies={key: tuple(sorted(urns)) for key, urns in goal.property_dependencies.items()},
        provider=provider,
        additional_secret_outputs=goal.additional_secret_outputs,
        custom_timeouts={verb: seconds(text) for verb, text in goal.custom_timeouts.items()},
        deleted_with=goal.deleted_with,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        import_id=goal.import_id,
        extra=old.extra if old else {},
    )


def standing(state: ResourceState) -> Standing:
    """Show a resource of the state to a provider."""
    return Standing(state.urn, state.id, plain(state.inputs), plain(state.outputs))


def marked(state: ResourceState, outputs: dict[str, object]) -> dict[str, object]:
    """Mark in a provider's outputs what was secret in the inputs or is asked to be."""
    return with_secret_keys(with_secrets_of(state.inputs, outputs), state.additional_secret_outputs)


def checked(provider: Provider | None, new: ResourceState, old: ResourceState | None) -> ResourceState:
    """Let the provider fill in and judge the inputs.

    Raises:
        StepError: where it refuses some.
    """
    if provider is None:
        return new
    inputs, failures = provider.check(new.urn, plain(old.inputs) if old else None, plain(new.inputs))
    if failures:
        raise StepError("; ".join(f"{each.key}: {each.reason}" if each.key else each.reason for each in failures))
    return replace(new, inputs=with_secrets_of(new.inputs, inputs))


def plan(
    goal: Goal,
    new: ResourceState,
    old: ResourceState | None,
    provider: Provider | None,
    condemned: bool = False,
) -> Plan:
    """Decide on a resource; `condemned`: deleted a moment ago, and now declared again."""
    afresh = replace(new, inputs=goal.inputs)
    if old is None:
        return Plan(CREATE, checked(provider, afresh, None))
    if condemned or old.external:
        return Plan(REPLACE, checked(provider, afresh, None))
    new = checked(provider, new, old)
    diff = _diff(goal, new, old, provider)
    if not (old.pending_replacement or diff.replace_keys or _replaces(diff)):
        return Plan(UPDATE if diff.changed else SAME, new, diff)
    first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
    objections = (protected("replace", new.urn),) if new.protect and old.protect else ()
    warnings = (KEPT_IMPORT,) if goal.import_id else ()
    # A replacement gets its defaults afresh.
    return Plan(REPLACE, checked(provider, afresh, None), diff, first, objections, warnings)


def protected(verb: str, urn: str) -> str:
    """Say that a resource must not be deleted, and how to lift that."""
    return (
        f"{names.name_of(urn)!r} is protected: cannot {verb} it. Drop `protect` from its resource options and run up, "
        f"or run: python -m infra.engine state unprotect '{urn}' --stack {names.stack_of(urn)}"
    )


def _diff(goal: Goal, new: ResourceState, old: ResourceState, provider: Provider | None) -> Diff:
    # Another provider may manage what one has made; a component has none.
    if bool(old.provider) != bool(new.provider):
        return Diff(changed=True, replace_keys=("provider",))
    if provider is None:
        return Diff(changed=plain(old.inputs) != plain(new.inputs))
    diff = provider.diff(standing(old), plain(new.inputs), list(goal.ignore_changes))
    return _with_init_errors(_replacing_on(diff, goal.replace_on_changes), goal, old)


def _with_init_errors(diff: Diff, goal: Goal, old: ResourceState) -> Diff:
    if not old.init_errors:
        return diff
    named = any(paths.covers(paths.parse(key), (INIT_ERROR,)) for key in goal.replace_on_changes)
    return replace(diff, changed=True, replace_keys=(*diff.replace_keys, INIT_ERROR) if named else diff.replace_keys)


def _replaces(diff: Diff) -> bool:
    return any(change.kind.endswith("-replace") for change in diff.properties.values())


def _replacing_on(diff: Diff, keys: tuple[str, ...]) -> Diff:
    if not keys or not diff.changed:
        return diff
    wide = [paths.parse(key) for key in keys]

    def named(path: str) -> bool:
        return any(paths.covers(each, paths.parse(path)) for each in wide)

    properties = {
        path: PropertyDiff(_REPLACING.get(change.kind, change.kind), change.input_diff) if named(path) else change
        for path, change in diff.properties.items()
    }
    forced = [key for key in diff.diffs if named(key)]
    return replace(diff, properties=properties, replace_keys=tuple(dict.fromkeys((*diff.replace_keys, *forced))))
