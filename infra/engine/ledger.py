"""What stands while a deployment runs: every change is in the state before anything builds on it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from infra.engine import urn as names
from infra.engine.state import PendingOperation, ResourceState, Snapshot, arranged


class Ledger:
    """The old resources not yet seen and the new ones, in the order in which a state must list them."""

    def __init__(self, snapshot: Snapshot, save: Callable[[Snapshot], None], ordered: bool = False) -> None:
        self.before = snapshot.resources
        self._olds = list(snapshot.resources)
        self._news: list[ResourceState] = []
        self._pending: list[PendingOperation] = []
        self._extra = snapshot.extra
        self._save = save
        # With targets a resource may stay as it is although the program no longer declares what it needs.
        self._arrange = arranged if ordered else tuple
        self._saved = snapshot
        self._lock = threading.RLock()

    def snapshot(self) -> Snapshot:
        """Return the state as it is now."""
        with self._lock:
            return Snapshot(self._arrange((*self._news, *self._olds)), tuple(self._pending), self._extra)

    def olds(self) -> tuple[ResourceState, ...]:
        """Return what the last deployment left and this one has not come to."""
        with self._lock:
            return tuple(self._olds)

    def old(self, urn: str) -> ResourceState | None:
        """Return the living resource of that name, of those that this deployment has not come to."""
        return next((state for state in self.olds() if state.urn == urn and not state.delete), None)

    def new(self, urn: str) -> ResourceState | None:
        """Return the resource as this deployment has made or found it."""
        with self._lock:
            return next((state for state in reversed(self._news) if state.urn == urn), None)

    @contextmanager
    def operation(self, kind: str, state: ResourceState) -> Iterator[PendingOperation]:
        """Record that an operation has begun; whoever enters its result ends it in the same write."""
        entry = PendingOperation(kind, state)
        with self._lock:
            self._pending.append(entry)
            self.save()
        try:
            yield entry
        finally:
            with self._lock:
                if self._end(entry):
                    self.save()

    def record(
        self, new: ResourceState, old: ResourceState | None = None, ends: PendingOperation | None = None
    ) -> None:
        """Enter a new resource, in place of the old one where it has one."""
        with self._lock:
            if old is not None:
                self._drop(old)
            self._news.append(new)
            self._end(ends)
            if new != old:
                self.save()

    def record_replacement(self, new: ResourceState, old: ResourceState, ends: PendingOperation | None = None) -> None:
        """Enter a replacement; the old resource waits for its deletion."""
        with self._lock:
            self._swap(old, replace(old, delete=True))
            self._news.append(new)
            self._end(ends)
            self.save()

    def swap(self, old: ResourceState, new: ResourceState, ends: PendingOperation | None = None) -> None:
        """Put another form of a resource in its place."""
        with self._lock:
            self._swap(old, new)
            self._end(ends)
            self.save()

    def remove(self, old: ResourceState, ends: PendingOperation | None = None) -> None:
        """Forget a resource."""
        with self._lock:
            self._drop(old)
            self._end(ends)
            self.save()

    def rename(self, before: str, after: str) -> None:
        """Let every old resource refer to a resource by its new name."""
        with self._lock:
            self._olds = [_renamed(state, {before: after}) for state in self._olds]

    def forget_names(self, gone: frozenset[str]) -> None:
        """Drop what old resources say of others that are gone."""
        with self._lock:
            parents = {state.urn: state.parent for state in self.before}
            self._olds = [_pruned(state, gone, parents) for state in self._olds]
            self.save()

    def save(self) -> None:
        """Write the state where it says anything else than the one on disk."""
        with self._lock:
            snapshot = self.snapshot()
            if _content(snapshot) != _content(self._saved):
                self._save(snapshot)
                self._saved = snapshot

    def _end(self, entry: PendingOperation | None) -> bool:
        before = len(self._pending)
        self._pending = [item for item in self._pending if item is not entry]
        return len(self._pending) < before

    def _swap(self, old: ResourceState, new: ResourceState) -> None:
        self._olds = [new if state is old else state for state in self._olds]
        self._news = [new if state is old else state for state in self._news]

    def _drop(self, old: ResourceState) -> None:
        self._olds = [state for state in self._olds if state is not old]
        self._news = [state for state in self._news if state is not old]


def _content(snapshot: Snapshot) -> tuple[list[ResourceState], tuple[PendingOperation, ...]]:
    # Order apart: equal resources in another order are the same state, and both orders are sound.
    return sorted(snapshot.resources, key=lambda state: (state.urn, state.delete, state.id)), snapshot.pending


def _renamed(state: ResourceState, table: Mapping[str, str]) -> ResourceState:
    def new(urn: str) -> str:
        return table.get(urn, urn)

    urn, _, id_ = state.provider.rpartition("::")
    changed = replace(
        state,
        parent=new(state.parent),
        dependencies=tuple(map(new, state.dependencies)),
        property_dependencies={key: tuple(map(new, urns)) for key, urns in state.property_dependencies.items()},
        deleted_with=new(state.deleted_with),
        provider=names.reference(new(urn), id_) if urn in table else state.provider,
    )
    return state if changed == state else changed


def _pruned(state: ResourceState, gone: frozenset[str], parents: Mapping[str, str]) -> ResourceState:
    parent = state.parent
    while parent in gone:
        parent = parents[parent]
    return replace(
        state,
        parent=parent,
        dependencies=tuple(urn for urn in state.dependencies if urn not in gone),
        property_dependencies={
            key: tuple(urn for urn in urns if urn not in gone) for key, urns in state.property_dependencies.items()
        },
        deleted_with="" if state.deleted_with in gone else state.deleted_with,
    )
