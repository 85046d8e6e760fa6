"""Deployments on a terminal or in a log: a line per step with what changed, and a summary."""

import os
import threading
from collections.abc import Mapping
from typing import Any, TextIO

from infra.engine import urn as names
from infra.engine.steps import DISCARD, DISCARD_REPLACED, REMOVE_PENDING, SAME, Step, Tally
from infra.engine.wire import masked
from infra.engine.wording import SUMMARY, WIDTH, WORDS, changes_of, leaves, shown

QUIET = {SAME, DISCARD, DISCARD_REPLACED, REMOVE_PENDING}
WORTH_TELLING = 0.1  # seconds
STYLES = {"+": "green", "~": "yellow", "-": "red", "+-": "magenta", "=": "cyan", ">": "cyan", "!": "bold red"}


class Display:
    """Writes what a deployment does; colours and a line of what is running only where somebody watches."""

    def __init__(self, stream: TextIO, preview: bool = False) -> None:
        self._stream = stream
        self._preview = preview
        self._lock = threading.RLock()
        self._running: dict[str, str] = {}
        self._console = _console(stream)
        self._width = WIDTH if self._console else 0  # logs and pipes get values whole
        self._status: Any = None
        self._outputs: list[str] = []

    def begun(self, step: Step) -> None:
        """Show that a step is running."""
        if self._console is not None and step.op != SAME and not step.internal:
            with self._lock:
                self._running[step.urn] = names.name_of(step.urn)
                self._show_running()

    def done(self, step: Step, seconds: float) -> None:
        """Write a step's line; what stays as it is gets none."""
        with self._lock:
            if self._running.pop(step.urn, None):
                self._show_running()
            if step.internal or step.op in QUIET:
                return
            sign, past, future = WORDS[step.op]
            duration = "" if self._preview or seconds < WORTH_TELLING else f"  {seconds:.1f} s"
            self._write(f" {sign:2} {_what(step.urn):76}  {future if self._preview else past}{duration}", STYLES[sign])
            for line in changes_of(step, self._width):
                self._write(f"      {line}")

    def failed(self, urn: str, message: str) -> None:
        """Write a failure, in one line."""
        with self._lock:
            self._running.pop(urn, None)
            self._show_running()
            self._write(f" !  {_what(urn):76}  failed: {' '.join(message.split())}", STYLES["!"])

    def log(self, severity: str, message: str, urn: str = "") -> None:
        """Write a message of the program or the engine."""
        if severity == "debug" or not message.strip():
            return
        prefix = "" if severity == "info" else f"{severity}: "
        where = f"{names.name_of(urn)}: " if urn and names.type_of(urn) != names.STACK_TYPE else ""
        with self._lock:
            self._write(f"{prefix}{where}{message.rstrip()}", "red" if severity == "error" else "")

    def stack_outputs(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Keep the outputs that change for the end: the program says them before its resources are done."""
        old, new = leaves(masked(before)), leaves(masked(after))
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        self._outputs = [f"    {_output(key, old, new, self._width)}" for key in sorted(changed)]

    def summary(self, tally: Tally, seconds: float, title: str) -> None:
        """Write the last line: counts and seconds."""
        column = 2 if self._preview else 1
        parts = [f"{tally.counts[op]} {WORDS[op][column]}" for op in SUMMARY if tally.counts[op]]
        parts += [f"{len(tally.failures)} failed"] if tally.failures else []
        parts += [f"{len(tally.skipped)} not attempted"] if tally.skipped else []
        with self._lock:
            self.close()
            if tally.ok and not tally.changed:
                parts.insert(0, "no changes")
            for line in ["Outputs:", *self._outputs] if self._outputs else []:
                self._write(line)
            for urn in tally.retained:
                self._write(f" stays: {_what(urn)} (retain_on_delete)")
            title = title if tally.ok else f"{title} interrupted" if tally.interrupted else f"{title} failed"
            self._write(f"{title}: {', '.join(parts) or 'nothing'}. {seconds:.1f} s")

    def close(self) -> None:
        """Take the line of what is running off the terminal."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show_running(self) -> None:
        if self._console is None:
            return
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(", ".join(sorted(self._running.values())))

    def _write(self, line: str, style: str = "") -> None:
        try:
            if self._console is None:
                print(line, file=self._stream, flush=True)
            else:
                self._console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)
        except BrokenPipeError:  # the reader (`| head`) has what it wanted; what is deployed goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _what(urn: str) -> str:
    return f"{names.name_of(urn):30} {names.type_of(urn)}" if names.is_urn(urn) else urn


def _output(key: str, old: Mapping[str, Any], new: Mapping[str, Any], width: int) -> str:
    before, after = (shown(tree[key], width) if key in tree else "(none)" for tree in (old, new))
    return f"{key}: {before} => {after}" if key in old else f"{key}: {after}"


def _console(stream: TextIO) -> Any:
    if not stream.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415  (70 ms that logs and scripts need not wait)

    return Console(file=stream)
