"""The gcp resource types of the embedded engine: plans and outputs as the real provider has them, over plain REST."""

from collections.abc import Mapping

from infra.engine.gcp import checks, states
from infra.engine.gcp.catalog import TYPES
from infra.engine.gcp.differences import REPLACING, differences, top, under
from infra.engine.gcp.functions import FUNCTIONS
from infra.engine.gcp.imports import refreshed_inputs
from infra.engine.gcp.plans import plan
from infra.engine.gcp.rest import ApiError, Cloud
from infra.engine.gcp.schema import ResourceType, unread
from infra.engine.providers import UNKNOWN, CheckFailure, Created, Diff, Properties, ProviderError, Read, Standing

__all__ = ["GcpProvider"]


class GcpProvider:
    """Serves the types of the catalog; `config` are the provider's own inputs (`project`, `…CustomEndpoint`, …)."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self.config = config
        self.cloud = Cloud(config)

    def close(self) -> None:
        """Close the kept connections."""
        self.cloud.close()

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Call a function by its token."""
        if token not in FUNCTIONS:
            raise ProviderError("the embedded engine has no such function. The Pulumi CLI does: --engine pulumi")
        return FUNCTIONS[token](self.cloud, arguments)

    def check(
        self, urn: str, old_inputs: Properties | None, new_inputs: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Return the inputs with defaults filled in, and what is wrong with them."""
        return checks.check(_kind(urn), urn, old_inputs, new_inputs)

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Compare what stands with what is wanted, path by path."""
        kind = _kind(old.urn)
        planned = plan(kind, self.config, old.outputs, new_inputs)
        changes = {
            path: change
            for path, change in differences(kind.properties, old.outputs, planned).items()
            if not any(under(path, ignored) for ignored in ignore_changes)
        }
        replacing = {top(path) for path, change in changes.items() if change.kind in REPLACING}
        named = kind.autoname and kind.autoname.key
        explicit = named in new_inputs and named not in new_inputs.get(checks.DEFAULTS, [])
        return Diff(
            changed=bool(changes),
            properties=changes,
            diffs=tuple(sorted({top(path) for path in changes})),
            replace_keys=tuple(sorted(replacing)),
            delete_before_replace=bool(replacing) and explicit,
        )

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:  # noqa: ARG002 - one request
        """Create the resource; one that stands already just as wanted is taken over."""
        kind = _kind(urn)
        planned = plan(kind, self.config, None, inputs)
        if preview:
            return Created("", planned | {"id": UNKNOWN})
        try:
            identity, body = kind.create(self.cloud, planned)
        except ApiError as refused:
            if refused.code != 409:
                raise _failed(kind, "created", planned, refused) from refused
            return self._adopted(kind, planned, inputs, refused)
        return Created(identity, states.outputs(kind, identity, body, planned))

    def _adopted(self, kind: ResourceType, planned: Properties, inputs: Properties, refused: ApiError) -> Created:
        """Take over what an interrupted create left; refuse what differs from the inputs in any property."""
        identity = kind.standing(planned) if kind.standing else ""
        try:
            body = kind.read(self.cloud, identity, planned) if identity else None
        except ApiError:
            body = None
        if body is None:
            raise ProviderError(f"{_failed(kind, 'created', planned, refused)} {kind.remedy}") from refused
        stands = states.outputs(kind, identity, body, planned)
        wanted = plan(kind, self.config, stands, inputs)
        changes = {top(path) for path in differences(kind.properties, stands, wanted)}
        foreign = kind.foreign(self.cloud, body, planned) if kind.foreign else ""
        if kind.autoname is None and unread(kind.properties, inputs):
            # Such a type is replaced create first: a leftover that cannot be compared may be the one to be replaced.
            foreign = "what the service does not tell of it may differ"
        if changes or foreign:
            differing = foreign or f"it differs in {', '.join(sorted(changes))}"
            raise ProviderError(
                f"{kind.title} {kind.name(planned)!r} exists already and {differing}. {kind.remedy}"
            ) from refused
        return Created(identity, stands)

    def read(self, old: Standing) -> Read | None:
        """Read the resource; None where it is gone. With empty inputs and outputs, the id says it all."""
        kind = _kind(old.urn)
        known = old.outputs or kind.identify(old.id, self.config.get("project", ""))
        try:
            body = kind.read(self.cloud, old.id, known)
        except ApiError as refused:
            raise _failed(kind, "read", known, refused) from refused
        if body is None:
            return None
        outputs = states.outputs(kind, old.id, body, plan(kind, self.config, None, known) if not old.outputs else known)
        return Read(old.id, refreshed_inputs(kind.properties, old.inputs, outputs), outputs)

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Update the resource in place; requests carry only what changed."""
        del timeout
        kind = _kind(old.urn)
        planned = plan(kind, self.config, old.outputs, new_inputs)
        for name in {top(path) for path in ignore_changes if path in kind.properties}:
            planned[name] = old.outputs.get(name)
        if preview:
            return planned | {"id": old.id}
        changed = frozenset(top(path) for path in differences(kind.properties, old.outputs, planned))
        try:
            body = kind.update(self.cloud, old.id, old.outputs, planned, changed)
        except ApiError as refused:
            raise _failed(kind, "updated", planned, refused) from refused
        return states.outputs(kind, old.id, body, planned)

    def delete(self, old: Standing, timeout: float) -> None:  # noqa: ARG002 - one request
        """Delete the resource as its deletion policy says; one that is gone already is no error."""
        kind = _kind(old.urn)
        policy = old.outputs.get("deletionPolicy")
        if policy == "PREVENT":
            raise ProviderError(
                f"{kind.title} {kind.name(old.outputs)!r} was not deleted: its deletion_policy is PREVENT. "
                "Set it to DELETE first."
            )
        if policy == "ABANDON":
            return
        try:
            kind.delete(self.cloud, old.id, old.outputs)
        except ApiError as refused:
            if refused.code != 404:
                raise _failed(kind, "deleted", old.outputs, refused) from refused


def _kind(urn: str) -> ResourceType:
    token = urn.split("::")[2].rsplit("$", 1)[-1]
    if token not in TYPES:
        raise ProviderError(
            f"The embedded engine does not know the type {token!r}. The Pulumi CLI does: --engine pulumi"
        )
    return TYPES[token]


def _failed(kind: ResourceType, verb: str, state: Properties, refused: ApiError) -> ProviderError:
    return ProviderError(f"{kind.title} {kind.name(state)!r} was not {verb}: {refused}")
