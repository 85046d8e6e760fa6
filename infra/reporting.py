"""What tasks tell: summaries and progress for people, one JSON object for programs, one line for a mistake."""

import errno
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from invoke import Exit
from invoke.main import program
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

INTERRUPTED = 130
HELP = "--help"
INSIDE = ContextVar("INSIDE", default=False)  # a task that calls others
ANSWERED = threading.Event()  # set by a task's JSON: one that ends without gets an object that says why


def answer(as_json: bool, facts: Mapping[str, Any], *lines: str) -> None:
    """Print the summary, on stderr where stdout is for JSON; then the facts as stdout's last line if asked for."""
    for line in lines:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json.dumps(facts, default=str), flush=True)
        ANSWERED.set()


def shown(value: Any) -> str:
    """Write a value for people: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def hint(line: str) -> None:
    """Name the command that comes next, unless a longer chain, which has redirected stdout, runs it by itself."""
    if sys.stdout is sys.__stdout__ and os.isatty(1):
        print(line, flush=True)


def say(line: str) -> None:
    """Tell what happens now, on stderr."""
    print(line, file=sys.stderr, flush=True)


def one_line_errors(*mistakes: type[Exception], interrupted: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a decorator for tasks: a known mistake ends them with its line, Ctrl-C with how to go on; no traceback.

    With --json an object that says why is stdout's last line then, unless the task has printed its facts. Where a task
    calls others, it is its own way to go on that Ctrl-C tells.
    """

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        def run(*arguments: Any, **options: Any) -> Any:
            ANSWERED.clear()
            if HELP in (*arguments, *options.values()):
                _print_help()
            outermost = None if INSIDE.get() else INSIDE.set(True)
            try:
                return attempt(outermost is not None, *arguments, **options)
            except Exit as end:
                if options.get("json") and end.code and not ANSWERED.is_set():
                    answer(True, {"error": (end.message or "what was said on stderr").strip()})
                raise
            finally:
                if outermost:
                    INSIDE.reset(outermost)

        def attempt(outermost: bool, *arguments: Any, **options: Any) -> Any:
            try:
                return body(*arguments, **options)
            except mistakes as error:
                raise Exit(str(error), 1) from None
            except BrokenPipeError:  # the reader (`| head`) has what it wanted
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=0) from None
            except OSError as error:
                raise Exit(_os_error(error), 1) from None
            except (KeyboardInterrupt, Exit) as end:
                cut_off = isinstance(end, KeyboardInterrupt) or (end.code == INTERRUPTED and not end.message)
                if not outermost or not cut_off:  # an engine that Ctrl-C ended has told its own way to go on alone
                    raise
                start = "\n" if sys.stderr.isatty() else ""  # on a terminal ^C has begun a line
                raise Exit(f"{start}Interrupted. {interrupted}", INTERRUPTED) from None

        return run

    return decorate


def _print_help() -> NoReturn:
    """Print a task's help: where a word is wanted, invoke takes the `--help` behind its name for that word."""
    place = sys.argv.index(HELP)
    program.run(["invoke", HELP, sys.argv[place - 1]], exit=False)
    raise Exit(code=0)


def confirm(yes: bool, question: str, command: str) -> None:
    """Ask before something is lost; where nobody can answer, name the command that needs no answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"{question} Nobody is there to ask. Run: {command}"
        raise Exit(msg, 1)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Exit("Nothing was changed", 1)


def confirm_name(yes: bool, question: str, name: str, command: str) -> None:
    """Ask for a name to be typed before much is lost; where nobody can type, name the command that needs no answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"{question} Nobody is there to ask. Run: {command}"
        raise Exit(msg, 1)
    print(f"{question} Type the stack's name ({name}): ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise Exit("Nothing was changed", 1)


@contextmanager
def fraction_bar(title: str) -> Iterator[Callable[[float, object], None]]:
    """Show a bar on stderr; the yielded function takes the fraction done and a remark."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[remark]}"))
    with _progress(*columns, TimeElapsedColumn()) as bar:
        shown = bar.add_task(title, total=1.0, remark="")
        yield lambda fraction, remark: bar.update(shown, completed=fraction, remark=_cell(remark))


@contextmanager
def job_counter(title: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show a batch job's state, rows and rows/s on stderr; the yielded function takes the job at each look."""
    began = time.monotonic()
    with _progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        shown = bar.add_task(title, total=None)
        last = ""

        def update(job: Mapping[str, Any]) -> None:
            nonlocal last
            state = str(job["state"]).removeprefix("JOB_STATE_").lower()
            rows = sum(
                int((job.get("completionStats") or {}).get(key, 0)) for key in ("successfulCount", "failedCount")
            )
            rate = rows / max(time.monotonic() - began, 1e-3)
            bar.update(shown, description=f"{title} {state}: {rows:,} rows, {rate:,.0f} rows/s")
            if bar.disable and state != last:  # in a log: one line a state
                say(f"  {title} {state}: {rows:,} rows")
            last = state

        yield update


@contextmanager
def state_line(title: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show the state of something that takes long, and for how long, on stderr; in a log, one line a state.

    The yielded function takes it at each look: its `status`, or whether it is `done`.
    """
    with _progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        shown = bar.add_task(title, total=None)
        last = ""

        def update(seen: Mapping[str, Any]) -> None:
            nonlocal last
            state = str(seen.get("status") or ("done" if seen.get("done") else "under way")).lower()
            bar.update(shown, description=f"{title} {state}")
            if bar.disable and state != last:
                say(f"  {title} {state}")
            last = state

        yield update


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout, numbers to the right."""
    print(title)
    made = Table()
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    # Where no terminal says how wide it is, a row stays one line
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(made)


def _progress(*columns: Any) -> Progress:
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _os_error(error: OSError) -> str:
    place = f"{error.filename!r}: " if error.filename else ""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    remedy = "Make room, and run it again" if full else "Check the path and its permissions"
    return f"{place}{error.strerror or error}. {remedy}"
