"""The providers of a deployment: default ones by package, explicit ones by the program, old ones from the state."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from infra.engine import urn as names
from infra.engine.errors import StepError
from infra.engine.providers import UNKNOWN, Properties, Provider
from infra.engine.state import ResourceState
from infra.engine.wire import plain

Factory = Callable[[Mapping[str, Any]], Provider]


class Registry:
    """Providers by reference (`URN::ID`), each made once, when first asked for."""

    def __init__(self, factories: Mapping[str, Factory], states: tuple[ResourceState, ...] = ()) -> None:
        self._factories = factories
        self._inputs: dict[str, Properties] = {}
        self._made: dict[str, Provider] = {}
        self._lock = threading.RLock()
        for state in states:
            if names.is_provider(state.urn):
                self.add(names.reference(state.urn, state.id), state.inputs)

    def add(self, reference: str, inputs: Properties) -> None:
        """Make a provider known by its inputs; inputs that changed make a new one."""
        reference = _normal(reference)
        with self._lock:
            if self._inputs.get(reference) != inputs:
                self._inputs[reference] = inputs
                self._made.pop(reference, None)

    def get(self, reference: str) -> Provider:
        """Return a provider, made at the first call.

        Raises:
            StepError: where no such provider is known.
        """
        reference = _normal(reference)
        with self._lock:
            if reference not in self._made:
                if reference not in self._inputs:
                    msg = f"the provider {reference!r} is unknown: declare it before its resources"
                    raise StepError(msg)
                package = names.package_of(names.type_of(names.referred(reference)))
                inputs = {key: value for key, value in plain(self._inputs[reference]).items() if key != "__internal"}
                self._made[reference] = self.factory(package)(inputs)
            return self._made[reference]

    def factory(self, package: str) -> Factory:
        """Return what makes a package's providers.

        Raises:
            StepError: where this engine has none.
        """
        if package not in self._factories:
            msg = (
                f"package {package!r} has no provider in the embedded engine (it has: "
                f"{', '.join(sorted(self._factories))}). The Pulumi CLI has it: --engine pulumi"
            )
            raise StepError(msg)
        return self._factories[package]


def _normal(reference: str) -> str:
    # In a preview a new provider has no id: the program sends it as unknown.
    return reference.removesuffix(UNKNOWN)
