"""Every resource of the local cloud, as JSON in one SQLite file that survives kill -9."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from infra.emulator.disk import check_room
from infra.emulator.state_format import bring_up

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (kind, name)
);
"""


class Resources:
    """Resources by kind (`aiplatform.endpoints`) and full name (`projects/P/locations/L/endpoints/E`).

    One connection behind one lock: a call that reads and then writes wraps both in `transaction()`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._database = _opened(path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock and commit at the end, or undo everything where an exception leaves the block. May nest."""
        with self._lock:
            if self._depth == 0:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._database.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._database.execute("COMMIT")

    def try_hold(self) -> bool:
        """Take the lock where nobody has it: then reads cannot wait, until `let_go`."""
        return self._lock.acquire(blocking=False)

    def let_go(self) -> None:
        """Release what `try_hold` took."""
        self._lock.release()

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement (for tables other than `resources`) and return its rows."""
        if sql.startswith(("INSERT", "UPDATE")):
            check_room()
        with self._lock:
            return self._database.execute(sql, parameters).fetchall()

    def create_tables(self, script: str) -> None:
        """Run `CREATE TABLE IF NOT EXISTS …` statements of an API that keeps tables of its own."""
        with self._lock:
            self._database.executescript(script)

    def get(self, kind: str, name: str) -> Json | None:
        """Return a copy of the resource's body, or None."""
        rows = self.execute("SELECT body FROM resources WHERE kind = ? AND name = ?", (kind, name))
        return orjson.loads(rows[0][0]) if rows else None

    def insert(self, kind: str, name: str, body: Json) -> bool:
        """Store a new resource; return False, changing nothing, where the name is taken."""
        sql = "INSERT OR IGNORE INTO resources (kind, name, body) VALUES (?, ?, ?) RETURNING seq"
        return bool(self.execute(sql, (kind, name, orjson.dumps(body))))

    def put(self, kind: str, name: str, body: Json) -> None:
        """Store a resource, new or not; its place in lists stays that of its creation."""
        sql = (
            "INSERT INTO resources (kind, name, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body"
        )
        self.execute(sql, (kind, name, orjson.dumps(body)))

    def delete(self, kind: str, name: str) -> bool:
        """Remove a resource; return whether it was there."""
        return bool(self.execute("DELETE FROM resources WHERE kind = ? AND name = ? RETURNING seq", (kind, name)))

    def list(self, kind: str, prefix: str = "") -> list[tuple[str, Json]]:
        """Return `(name, body)` of every resource of that kind whose name starts with `prefix`, oldest first."""
        sql = "SELECT name, body FROM resources WHERE kind = ? AND substr(name, 1, ?) = ? ORDER BY seq"
        return [(name, orjson.loads(body)) for name, body in self.execute(sql, (kind, len(prefix), prefix))]

    def next_number(self, counter: str) -> int:
        """Count up, starting at 1: numbers that are never given twice, also after a restart."""
        with self.transaction():
            value = int((self.get("counters", counter) or {"value": 0})["value"]) + 1
            self.put("counters", counter, {"value": value})
            return value

    @contextmanager
    def held(self) -> Iterator[sqlite3.Connection]:
        """Yield the database while nobody writes to it."""
        with self._lock:
            yield self._database

    def reopen(self, change: Callable[[], object]) -> None:
        """Close the database, let its file be changed, and open what is there then."""
        with self._lock:
            self._database.close()
            try:
                change()
            finally:
                self._database = _opened(self._path)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; only a power cut may lose the tail
        bring_up(database, path)
        database.executescript(SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
