"""One deployment in progress: names, aliases, failures and the running of single steps."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from infra.engine import urn as names
from infra.engine.errors import StepError, StoppedError
from infra.engine.goal import Alias, Goal, Outcome
from infra.engine.ledger import Ledger
from infra.engine.policies import Judge
from infra.engine.providers import Properties
from infra.engine.registry import Registry
from infra.engine.state import ResourceState
from infra.engine.steps import UNCHANGING, Events, Step, Tally
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
    frozen: bool = False  # refuse every change

    def targeted(self, urn: str) -> bool:
        """Tell whether a resource is among the targets; all are where none is named."""
        return not self.targets or any(fnmatchcase(urn, target) for target in self.targets)


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
        self.left_out: set[str] = set()  # new resources that --target does not name
        self.stack_outputs: Properties | None = None
        self.wake: Callable[[], None] = lambda: None  # tells whoever waits for the program that the user interrupts
        self._claimed: set[str] = set()
        self._blocked: set[str] = set()
        self._aliased: dict[str, str] = {}
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
            if urn in self._claimed:
                what = f"{names.name_of(urn)!r} of type {names.type_of(urn)}"
                msg = f"the program declares {what} twice: name one differently"
                raise StepError(msg)
            self._claimed.add(urn)

    def claimed(self, urn: str) -> bool:
        """Tell whether the program has declared a resource already."""
        with self.lock:
            return urn in self._claimed

    def find_old(self, goal: Goal, urn: str) -> ResourceState | None:
        """Return what stands under a resource's name, or under one that it had."""
        with self.lock:
            if (old := self.ledger.old(urn)) is not None:
                return old
            for alias in self._alias_urns(goal):
                if self.ledger.old(alias) is not None:
                    self.ledger.rename(alias, urn)
                    self._aliased[urn] = alias
                    return self.ledger.old(alias)
            return None

    def _alias_urns(self, goal: Goal) -> list[str]:
        own = [self._alias_urn(alias, goal) for alias in goal.aliases]
        former = self._aliased.get(goal.parent)
        if former is None:
            return own
        pairs = [(goal.type, goal.name), *((names.type_of(urn), names.name_of(urn)) for urn in own)]
        return own + [self.urn(type_, _follow(name, goal.parent, former), former) for type_, name in pairs]

    def _alias_urn(self, alias: Alias, goal: Goal) -> str:
        if alias.urn:
            return alias.urn
        parent = "" if alias.no_parent else alias.parent or goal.parent
        stack, project = alias.stack or self.options.stack, alias.project or self.options.project
        return names.make_urn(stack, project, parent, alias.type or goal.type, alias.name or goal.name)

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

    def skip(self, urn: str) -> Outcome:
        """Leave a resource as it is, because something that it needs is not there."""
        with self.lock:
            self._blocked.add(urn)
            self.tally.skipped.append(urn)
        return Outcome(urn, result="skipped")

    def run(self, step: Step, action: Callable[[], ResourceState | None]) -> ResourceState | None:
        """Take one step, watched and counted; `action` does the work and returns the new resource."""
        if self.options.frozen and step.op not in UNCHANGING and not step.internal:
            msg = f"no changes were expected, and this is one: {step.op}"
            raise StepError(msg)
        with self._slots, self._active():
            self.events.begun(step)
            start = time.monotonic()
            new = action()
            with self.lock:
                self.tally.add(step)
            self.events.done(replace(step, new=new), time.monotonic() - start)
        return new

    @contextmanager
    def _active(self) -> Iterator[None]:
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
        return outputs if self.options.preview else known_only(outputs, self._before(urn))

    def _before(self, urn: str) -> Properties:
        return next((state.outputs for state in self.ledger.before if state.urn == urn), {})

    def enter_stack_outputs(self) -> None:
        """Enter the stack's outputs; after a failure those that the program did not come to stay as they were."""
        root = next((state for state in self.ledger.snapshot().resources if state.type == names.STACK_TYPE), None)
        if root is None or self.stack_outputs is None:
            return
        before = self._before(root.urn)
        after = self._known(root.urn, self.stack_outputs if self.tally.ok else {**before, **self.stack_outputs})
        self.set_outputs(root.urn, after)
        self.events.stack_outputs(before, after)


def _follow(name: str, parent: str, former: str) -> str:
    # A child that carries its parent's name in front of its own was renamed with it.
    now = names.name_of(parent)
    return names.name_of(former) + name.removeprefix(now) if name.startswith(now) else name
