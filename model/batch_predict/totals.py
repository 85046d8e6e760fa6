"""A run's counts while it goes on, shared by the threads that serve the workers, and the decision when it stops."""

import threading
from dataclasses import dataclass, field

from model.batch_predict.messages import Done
from model.batch_predict.settings import State, Threshold
from model.batch_predict.shard import Counts


@dataclass
class Totals:
    """Counts so far. `stop` is set when no further block is to be read; `error` is what broke the run off."""

    total_bytes: int
    threshold: Threshold | None = None
    counts: Counts = field(default_factory=Counts)
    read_bytes: int = 0
    state: State = State.FINISHED
    stopped_at: str | None = None
    error: Exception | None = None
    ended: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, done: Done) -> None:
        """Count a block, and stop the run where it passes the threshold."""
        with self._lock:
            allowed = self._allowed(done)
            crossing = int(allowed) - self.counts.failed if allowed is not None else len(done.failed_lines)
            self.counts.add(done.counts)
            self.read_bytes += done.size
            if 0 <= crossing < len(done.failed_lines) and self.state is State.FINISHED:
                self.state = State.STOPPED
                self.stopped_at = f"{done.file} line {done.failed_lines[crossing]}"
                self.stop.set()

    def _allowed(self, done: Done) -> float | None:
        """Return how many rows may fail; a percentage is of all rows, which are estimated from the bytes read."""
        if self.threshold is None:
            return None
        read, seen = self.read_bytes + done.size, self.counts.instances + done.counts.instances
        return self.threshold.allowed(seen * max(1.0, self.total_bytes / max(read, 1)))

    def cancel(self) -> None:
        """Stop after the blocks in flight."""
        with self._lock:
            if self.state is State.FINISHED:
                self.state = State.CANCELLED
        self.stop.set()

    def fail(self, error: Exception) -> None:
        """Break the run off."""
        with self._lock:
            self.error = self.error or error
        self.stop.set()
