"""Which objects there are: rows of SQLite that name blobs. One row for each generation, one of a name's rows live."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import orjson

from infra.emulator.calls import Cloud
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import Blob, blob_path

# Names are stored as UTF-8 bytes: SQLite then orders and cuts them exactly as the service does.
SCHEMA = """
CREATE TABLE IF NOT EXISTS storage_objects (
    bucket TEXT NOT NULL,
    name BLOB NOT NULL,
    generation INTEGER NOT NULL,
    live INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blob TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bucket, name, generation)
);
CREATE UNIQUE INDEX IF NOT EXISTS storage_live_objects ON storage_objects (bucket, name) WHERE live = 1;
CREATE INDEX IF NOT EXISTS storage_blobs ON storage_objects (blob);
CREATE INDEX IF NOT EXISTS storage_soft_deleted ON storage_objects (live) WHERE live < 0;
"""
COLUMNS = "bucket, name, generation, live, size, blob, body"
PAGE = 500  # rows read at a time while listing


class State(IntEnum):
    """How a generation stands: the column `live`."""

    SOFT_DELETED = -1
    NONCURRENT = 0
    LIVE = 1


EVERY_VERSION = (State.NONCURRENT, State.LIVE)  # what a client sees that asks for versions


@dataclass(frozen=True)
class StoredObject:
    """One generation of an object; `path` is the plain file that holds its bytes."""

    bucket: str
    name: str
    generation: int
    state: State
    size: int
    blob: str
    path: Path
    body: Json

    @property
    def metageneration(self) -> int:
        """How often the metadata was written."""
        return int(self.body["metageneration"])

    @property
    def live(self) -> bool:
        """Whether its name alone means this generation."""
        return self.state == State.LIVE


def find(
    cloud: Cloud, bucket: str, name: str, generation: int | None = None, *, soft_deleted: bool = False
) -> StoredObject | None:
    """Return an object's live generation, or the one that is named; a soft-deleted one only where that is asked for."""
    clause = "live = 1" if generation is None else f"generation = ? AND live {'<' if soft_deleted else '>='} 0"
    sql = f"SELECT {COLUMNS} FROM storage_objects WHERE bucket = ? AND name = ? AND {clause}"  # noqa: S608 - constants
    named = () if generation is None else (generation,)
    rows = cloud.resources.execute(sql, (bucket, name.encode(), *named))
    return _stored(cloud, rows[0]) if rows else None


def insert(cloud: Cloud, bucket: str, name: str, blob: Blob, body: Json) -> StoredObject:
    """Store a new live generation; the one before must have been retired."""
    generation = int(body["generation"])
    row = (bucket, name.encode(), generation, int(State.LIVE), blob.size, blob.key, orjson.dumps(body))
    cloud.resources.execute(f"INSERT INTO storage_objects ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    return StoredObject(bucket, name, generation, State.LIVE, blob.size, blob.key, blob.path, body)


def update(cloud: Cloud, found: StoredObject, body: Json, state: State | None = None) -> StoredObject:
    """Write a generation's metadata and, where one is given, its new state."""
    changed = replace(found, body=body, state=found.state if state is None else state)
    sql = "UPDATE storage_objects SET body = ?, live = ? WHERE bucket = ? AND name = ? AND generation = ?"
    key = (found.bucket, found.name.encode(), found.generation)
    cloud.resources.execute(sql, (orjson.dumps(body), int(changed.state), *key))
    return changed


def rename(cloud: Cloud, found: StoredObject, name: str) -> None:
    """Keep a generation under another name."""
    sql = "UPDATE storage_objects SET name = ? WHERE bucket = ? AND name = ? AND generation = ?"
    cloud.resources.execute(sql, (name.encode(), found.bucket, found.name.encode(), found.generation))


def remove(cloud: Cloud, found: StoredObject) -> None:
    """Forget a generation; its blob is discarded once the transaction is over."""
    sql = "DELETE FROM storage_objects WHERE bucket = ? AND name = ? AND generation = ?"
    cloud.resources.execute(sql, (found.bucket, found.name.encode(), found.generation))


def discard_blob(cloud: Cloud, key: str) -> None:
    """Remove a blob's file where no object names it any more. Call it outside of the transaction that freed it."""
    with cloud.resources.transaction():
        if not names_blob(cloud, key):
            blob_path(cloud.state, key).unlink(missing_ok=True)


def names_blob(cloud: Cloud, key: str) -> bool:
    """Tell whether any object's bytes are this blob."""
    return bool(cloud.resources.execute("SELECT 1 FROM storage_objects WHERE blob = ? LIMIT 1", (key,)))


def torn(cloud: Cloud) -> list[StoredObject]:
    """Return the generations whose bytes are not all there: only a power cut leaves such."""
    rows = cloud.resources.execute(f"SELECT {COLUMNS} FROM storage_objects")  # noqa: S608 - constants
    return [found for found in (_stored(cloud, row) for row in rows) if _length(found.path) != found.size]


def soft_deleted_until(cloud: Cloud, moment: str) -> list[StoredObject]:
    """Return the soft-deleted generations whose time is over at a moment."""
    time = "json_extract(CAST(body AS TEXT), '$.hardDeleteTime')"
    sql = f"SELECT {COLUMNS} FROM storage_objects WHERE live < 0 AND {time} <= ?"  # noqa: S608 - constants
    return [_stored(cloud, row) for row in cloud.resources.execute(sql, (moment,))]


def last_generation(cloud: Cloud, bucket: str, name: str) -> int:
    """Return the youngest generation of a name, 0 where there is none."""
    sql = "SELECT MAX(generation) FROM storage_objects WHERE bucket = ? AND name = ?"
    return int(cloud.resources.execute(sql, (bucket, name.encode()))[0][0] or 0)


def is_empty(cloud: Cloud, bucket: str) -> bool:
    """Tell whether a bucket has no live object."""
    sql = "SELECT 1 FROM storage_objects WHERE bucket = ? AND live = 1 LIMIT 1"
    return not cloud.resources.execute(sql, (bucket,))


def empty(cloud: Cloud, bucket: str) -> list[str]:
    """Forget every generation in a bucket; return their blobs."""
    rows = cloud.resources.execute("DELETE FROM storage_objects WHERE bucket = ? RETURNING blob", (bucket,))
    return [key for (key,) in rows]


def rename_bucket(cloud: Cloud, bucket: str, name: str) -> None:
    """Keep a bucket's rows under another name."""
    cloud.resources.execute("UPDATE storage_objects SET bucket = ? WHERE bucket = ?", (name, bucket))


def scan(
    cloud: Cloud, bucket: str, start: tuple[bytes, int], end: bytes | None, states: tuple[State, ...] = (State.LIVE,)
) -> Iterator[StoredObject]:
    """Yield objects by name and generation from `start` on, up to the name `end`, reading a page at a time."""
    among = ", ".join(str(int(state)) for state in states)
    before = "" if end is None else "AND name < ?"
    sql = (
        f"SELECT {COLUMNS} FROM storage_objects WHERE bucket = ? AND (name, generation) >= (?, ?) AND name >= ?"  # noqa: S608
        f" AND live IN ({among}) {before} ORDER BY name, generation LIMIT {PAGE}"
    )
    limit = () if end is None else (end,)
    while True:
        rows = cloud.resources.execute(sql, (bucket, *start, start[0], *limit))
        yield from (_stored(cloud, row) for row in rows)
        if len(rows) < PAGE:
            return
        start = (rows[-1][1], rows[-1][2] + 1)


def successor(prefix: bytes) -> bytes | None:
    """Return the first name after all that start with `prefix`; None where every name does."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None


def _stored(cloud: Cloud, row: tuple[Any, ...]) -> StoredObject:
    bucket, name, generation, live, size, blob, body = row
    path = blob_path(cloud.state, blob)
    return StoredObject(bucket, name.decode(), generation, State(live), size, blob, path, orjson.loads(body))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
