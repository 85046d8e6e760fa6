"""One deployment in progress: names, aliases, failures and the running of single steps."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from infra.engine import urn as names
from infra.engine.aliasing import Aliases
from infra.engine.errors import StoppedError
from infra.engine.goal import Goal, Outcome
from infra.engine.ledger import Ledger
from infra.engine.policies import Judge
from infra.engine.providers import Properties
from infra.engine.registry import Registry
from infra.engine.state import ResourceState
from infra.engine.steps import Events, Step, Tally
from infra.engine.targeting import Targets
from infra.engine.wire import known_only

PARALLEL = 16  # provider calls at once


@dataclass(frozen=True)
class Options:
    """What a deployment is asked to do."""

    project: str
    stack: str
    preview: bool = False
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    parallel: int = PARALLEL


class Deployment:
    """The shared ground of a deployment's steps, which many threads take at once."""

    def __init__(
        self,
        options: Options,
        ledger: Ledger,
        registry: Registry,
        events: Events,
        default_inputs: Callable[[str, str], Properties] | None = None,
    ) -> None:
        self.options = options
        self.ledger = ledger
        self.registry = registry
        self.events = events
        self.tally = Tally()
        self.stopping = threading.Event()
        self.default_inputs = default_inputs or (lambda _package, _version: {})
        self.judge: Judge = lambda _type, _inputs: None  # refuses what breaks a policy
        self.lock = threading.RLock()
        self.providers_lock = threading.RLock()  # held while a default provider is registered
        self.condemned: set[str] = set()  # deleted ahead of the replacement of what they depend on
        self.targets = Targets(options.targets, options.target_dependents)
        self.left_out: set[str] = set()  # new resources that --target does not name
        self.stack_outputs: Properties | None = None
        self.wake: Callable[[], None] = lambda: None  # tells whoever waits for the program that the user interrupts
        self._blocked: set[str] = set()
        self._aliases = Aliases(options.project, options.stack)
        self._before = {state.urn: state for state in ledger.before if not state.delete}
        self._idle = threading.Condition()
        self._running = 0
        self._slots = threading.BoundedSemaphore(options.parallel)

    def urn(self, type_: str, name: str, parent: str) -> str:
        """Name a resource of this stack."""
        return names.make_urn(self.options.stack, self.options.project, parent, type_, name)

    def claim(self, urn: str) -> None:
        """Take a name for one resource of the program.

        Raises:
            StepError: where another one has it.
        """
        with self.lock:
            self._aliases.claim(urn)

    def claimed(self, urn: str) -> bool:
        """Tell whether the program has declared a resource already."""
        with self.lock:
            return self._aliases.claimed(urn)

    def find_old(self, goal: Goal, urn: str) -> ResourceState | None:
        """Return what stands under a resource's name, or under one that it had.

        Raises:
            StepError: where that is another resource of the program.
        """
        with self.lock:
            if urn in self._before:
                return self.ledger.old(urn)
            for former in self._aliases.of(goal):
                if former in self._before:
                    self._aliases.follow(urn, former)
                    self.ledger.rename(former, urn)
                    return self.ledger.old(former)
            return None

    def unknown_targets(self) -> list[str]:
        """Return the targets that neither the state nor the program has."""
        with self.lock:
            return [urn for urn in self.targets.unknown(self._before) if not self._aliases.claimed(urn)]

    def blockers(self, goal: Goal, provider: str) -> set[str]:
        """Return the resources that a goal needs and that are not there: failed, skipped or left out."""
        needed = {*goal.dependencies, goal.parent, goal.deleted_with, names.referred(provider)}
        needed.update(*goal.property_dependencies.values())
        with self.lock:
            return needed & (self._blocked | self.left_out)

    def fail(self, urn: str, message: str) -> Outcome:
        """Note a failure; what depends on the resource will be skipped."""
        with self.lock:
            self._blocked.add(urn)
            self.tally.failures[urn] = message
        self.events.failed(urn, message)
        return Outcome(urn, result="failed")

    def complain(self, urn: str, message: str) -> None:
        """Note what will fail, and go on: a preview shows the rest of the plan too."""
        with self.lock:
            self.tally.failures[urn] = message
        self.events.failed(urn, message)

    def skip(self, urn: str) -> Outcome:
        """Leave a resource as it is, because something that it needs is not there."""
        with self.lock:
            self._blocked.add(urn)
            self.tally.skipped.append(urn)
        return Outcome(urn, result="skipped")

    def run(self, step: Step, action: Callable[[], ResourceState | None]) -> ResourceState | None:
        """Take one step, watched and counted; `action` does the work and returns the new resource."""
        with self._slots, self.active():
            self.events.begun(step)
            start = time.monotonic()
            new = action()
            with self.lock:
                self.tally.add(step)
            self.events.done(replace(step, new=new), time.monotonic() - start)
        return new

    @contextmanager
    def active(self) -> Iterator[None]:
        """Be waited for where the user interrupts; where that has happened, raise StoppedError."""
        with self._idle:
            if self.stopping.is_set():
                raise StoppedError
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def idle(self) -> None:
        """Wait until no step runs."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)

    def set_outputs(self, urn: str, outputs: Properties) -> None:
        """Enter the outputs that a component or the stack says it has; unknown ones leave what was there."""
        known = self._known(urn, outputs)
        with self.lock:
            if (state := self.ledger.new(urn)) is not None:
                self.ledger.swap(state, replace(state, outputs=known))

    def _known(self, urn: str, outputs: Properties) -> Properties:
        return outputs if self.options.preview else known_only(outputs, self._outputs_before(urn))

    def _outputs_before(self, urn: str) -> Properties:
        return self._before[urn].outputs if urn in self._before else {}

    def enter_stack_outputs(self) -> None:
        """Enter the stack's outputs; after a failure those that the program did not come to stay as they were."""
        root = next((state for state in self.ledger.snapshot().resources if state.type == names.STACK_TYPE), None)
        if root is None or self.stack_outputs is None:
            return
        before = self._outputs_before(root.urn)
        after = self._known(root.urn, self.stack_outputs if self.tally.ok else {**before, **self.stack_outputs})
        self.set_outputs(root.urn, after)
        self.events.stack_outputs(before, after)
