"""The format of the state on disk: older ones are brought up to date, newer ones are refused.

The number stands in the database's `user_version`. Who changes a table, or what a record means, adds a step.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.emulator.ports import UnavailableError

Step = Callable[[sqlite3.Connection], None]


def _numbered(_: sqlite3.Connection) -> None:
    """Bring the state of before there were numbers up to date: nothing is different but the number."""


def _listed(_: sqlite3.Connection) -> None:
    """Bring the state of before there were access lists up to date: what keeps none has that of everything new."""


STEPS: Sequence[Step] = (_numbered, _listed)  # STEPS[n] makes format n + 1 of format n
FORMAT = len(STEPS)


def bring_up(database: sqlite3.Connection, path: Path) -> None:
    """Bring a database to this format, in one transaction; raises UnavailableError for one of a newer format."""
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise UnavailableError(
            newer(f"The state {str(path)!r}", found, "invoke local.reset, or choose another --state")
        )
    if found == FORMAT:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[found:]:
            step(database)
        database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def newer(what: str, found: int, way_out: str) -> str:
    """Say that something was written by a newer local cloud than this one."""
    return f"{what} has format {found}, this local cloud knows up to {FORMAT}. Update it, or run: {way_out}"
