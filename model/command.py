"""Command lines of the model's programs: text for people, one JSON object for programs, one line for a mistake."""

import argparse
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from model.errors import UserError

USER_ERROR = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """What a program has to say: text for people, data for programs, its exit code."""

    text: str
    data: dict[str, Any]
    code: int = 0


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Make a parser that has the flag every program has."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=description, allow_abbrev=False)
    made.add_argument("--json", action="store_true", help="end stdout with one JSON object; all else goes to stderr")
    return made


def run(program: Callable[[argparse.Namespace], Outcome], options: argparse.Namespace) -> int:
    """Run a program and return its exit code: 2 with one line on stderr for a user's mistake."""
    try:
        outcome = program(options)
    except UserError as error:
        return _complain(str(error), USER_ERROR)
    except OSError as error:
        return _complain(_os_error(error), USER_ERROR)
    except KeyboardInterrupt:
        return _complain("Interrupted. Run it again: what was finished is whole, the rest is not there.", INTERRUPTED)
    _report(outcome, as_json=options.json)
    return outcome.code


def _report(outcome: Outcome, *, as_json: bool) -> None:
    """Print the text, and the JSON object last where it is asked for."""
    print(outcome.text, file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(orjson.dumps(outcome.data).decode(), flush=True)


def _os_error(error: OSError) -> str:
    """Name the file and the reason in one line."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return f"{reason}{f': {str(place)!r}' if place else ''}. Make room, and run it again"
    return f"Cannot use '{place}': {reason}. Check the path and its permissions." if place else reason


def _complain(line: str, code: int) -> int:
    print(line, file=sys.stderr, flush=True)
    return code
