"""Providers as resources: their configuration stands in the state, nothing is made for them in any cloud."""

import uuid

from infra.engine.providers import CheckFailure, Created, Diff, Properties, PropertyDiff, Read, Standing

INTERNAL = "__internal"


# ruff: noqa: ARG002  (a provider's verbs take what any provider may need)


class ProviderResources:
    """The provider of providers: an id at creation, new inputs at any change."""

    def check(
        self,
        urn: str,
        old_inputs: Properties | None,
        new_inputs: Properties,
    ) -> tuple[Properties, list[CheckFailure]]:
        """Take the configuration as it is."""
        return new_inputs, []

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Compare two configurations; no change of one replaces what it has made."""
        keys = [
            key
            for key in {**old.inputs, **new_inputs}
            if key != INTERNAL and old.inputs.get(key) != new_inputs.get(key)
        ]
        return Diff(bool(keys), {key: PropertyDiff("update", input_diff=True) for key in keys}, tuple(keys))

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:
        """Give the provider an id."""
        return Created("" if preview else str(uuid.uuid4()), _shown(inputs))

    def read(self, old: Standing) -> Read | None:
        """Return the provider as it stands."""
        return Read(old.id, old.inputs, old.outputs)

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Take the new configuration."""
        return _shown(new_inputs)

    def delete(self, old: Standing, timeout: float) -> None:
        """Do nothing: there is nothing."""


def _shown(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != INTERNAL}
