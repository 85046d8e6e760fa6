"""Outputs of other local stacks, which a program reads by `StackReference`: the provider `pulumi`."""

from pathlib import Path

from infra.engine import state_file
from infra.engine import urn as names
from infra.engine.providers import CheckFailure, Created, Diff, Properties, ProviderError, Read, Standing
from infra.engine.sealing import Sealer
from infra.engine.wire import has_secret

# ruff: noqa: ARG002  (a provider's verbs take what any provider may need)


class StackReferences:
    """Reads the states beside a stack's own; nothing is made, changed or deleted."""

    def __init__(self, root: Path, project: str, sealer: Sealer) -> None:
        self._root = root
        self._project = project
        self._sealer = sealer

    def check(
        self, urn: str, old_inputs: Properties | None, new_inputs: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Take the name as it is."""
        return new_inputs, []

    def diff(self, old: Standing, new_inputs: Properties, ignore_changes: list[str]) -> Diff:
        """Find no change: a reference is only read."""
        return Diff(changed=False)

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Created:
        """Refuse: a reference is only read."""
        raise ProviderError("a stack reference is only read")

    def read(self, old: Standing) -> Read | None:
        """Return the outputs of the stack that the id names.

        Raises:
            ProviderError: where there is no such stack on this machine.
        """
        project, stack = self._parts(old.id)
        path = state_file.state_path(self._root, project, stack)
        document = state_file.read_deployment(path)
        if document is None:
            msg = f"no local stack {old.id!r} is known: its state would be at {str(path)!r}. Run its own `up` first"
            raise ProviderError(msg)
        resources = state_file.load(document, self._sealer).resources
        outputs: Properties = next((state.outputs for state in resources if state.type == names.STACK_TYPE), {})
        hidden = sorted(key for key, value in outputs.items() if has_secret(value))
        return Read(old.id, old.inputs, {"name": old.id, "outputs": outputs, "secretOutputNames": hidden})

    def update(
        self, old: Standing, new_inputs: Properties, timeout: float, preview: bool, ignore_changes: list[str]
    ) -> Properties:
        """Refuse: a reference is only read."""
        raise ProviderError("a stack reference is only read")

    def delete(self, old: Standing, timeout: float) -> None:
        """Do nothing: there is nothing of its own."""

    def _parts(self, name: str) -> tuple[str, str]:
        """Split `[[ORGANIZATION/]PROJECT/]STACK`."""
        *before, stack = name.split("/")
        return (before[-1] if before else self._project), stack
