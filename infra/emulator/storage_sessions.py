"""Resumable uploads on disk: what was said at the start is a row, what was sent so far is a file.

Both outlive the process, so a client goes on after a restart as after a broken connection.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from infra.emulator import clock
from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError, not_found
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import BlobWriter, Checksums, checksums_of, new_key, open_writer, sweep, upload_path
from infra.emulator.storage_catalog import SCHEMA as OBJECTS

logger = logging.getLogger("infra.emulator")

SCHEMA = """
CREATE TABLE IF NOT EXISTS storage_sessions (id TEXT PRIMARY KEY, state TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS storage_parts (
    session TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, md5 TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (session, number)
);
"""
OPEN, DONE, CANCELLED = "open", "done", "cancelled"
NO_UPLOAD = "No such upload"
DAYS = 7  # the service forgets an unfinished upload after a week


@dataclass
class Progress:
    """The part of an upload that only this process knows: checksums so far, and who writes."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    writer: int = 0
    checksums: Checksums | None = None


@dataclass(frozen=True)
class Session:
    """An upload that is under way: `body` is what its first request said."""

    cloud: Cloud
    id: str
    state: str
    body: Json
    progress: Progress

    @property
    def received(self) -> int:
        """How many bytes are on disk."""
        path = upload_path(self.cloud.state, self.id)
        return path.stat().st_size if path.exists() else 0

    def open(self) -> BlobWriter:
        """Open the file to go on; after a restart the checksums are computed anew from what is there."""
        path = upload_path(self.cloud.state, self.id)
        known = self.progress.checksums
        if known is None or known.size != self.received:
            known = checksums_of(path) if path.exists() else Checksums()
        self.progress.checksums = known
        return open_writer(self.cloud.state, self.id, known)


_progress: dict[str, Progress] = {}
_progress_lock = threading.Lock()


def begin(cloud: Cloud, body: Json) -> str:
    """Store a new upload and return its id."""
    session = new_key()
    row = (session, OPEN, orjson.dumps({**body, "created": cloud.now()}))
    cloud.resources.execute("INSERT INTO storage_sessions (id, state, body) VALUES (?, ?, ?)", row)
    return session


def load(cloud: Cloud, session: str) -> Session:
    """Return an upload by its id; raises ApiError 404 where there is none."""
    rows = cloud.resources.execute("SELECT state, body FROM storage_sessions WHERE id = ?", (session,))
    if not rows:
        msg = f"{NO_UPLOAD}: {session!r}. It was never begun, or has expired. Begin it again."
        raise not_found(msg, reason="notFound")
    with _progress_lock:
        progress = _progress.setdefault(session, Progress())
    return Session(cloud, session, rows[0][0], orjson.loads(rows[0][1]), progress)


def note(session: Session, state: str, body: Json) -> None:
    """Note how an upload stands or ended; part of the caller's transaction."""
    sql = "UPDATE storage_sessions SET state = ?, body = ? WHERE id = ?"
    session.cloud.resources.execute(sql, (state, orjson.dumps(body), session.id))


def forget(session: Session) -> None:
    """Remove an ended upload's bytes."""
    upload_path(session.cloud.state, session.id).unlink(missing_ok=True)
    with _progress_lock:
        _progress.pop(session.id, None)


def taken_over() -> ApiError:
    """Make the answer to a request whose upload a later request goes on with."""
    return ApiError(409, "A later request goes on with this upload.", reason="conflict")


def remove(cloud: Cloud, session: str) -> None:
    """Forget an upload with all that was sent of it."""
    with cloud.resources.transaction():
        cloud.resources.execute("DELETE FROM storage_sessions WHERE id = ?", (session,))
        parts = cloud.resources.execute("DELETE FROM storage_parts WHERE session = ? RETURNING file", (session,))
    for name in (session, *(file for (file,) in parts)):
        upload_path(cloud.state, name).unlink(missing_ok=True)
    with _progress_lock:
        _progress.pop(session, None)


def expire(cloud: Cloud) -> None:
    """End resumable uploads that are too old; those in parts stay until they are aborted."""
    oldest = clock.now(cloud.resources) - timedelta(days=DAYS)
    for session, content in cloud.resources.execute("SELECT id, body FROM storage_sessions"):
        body = orjson.loads(content)
        if not body.get("parts") and datetime.fromisoformat(body["created"]) < oldest:
            remove(cloud, session)


def recover(cloud: Cloud) -> None:
    """Make the tables, and remove what a crash left without an owner."""
    _progress.clear()  # of a state before this one
    cloud.resources.create_tables(OBJECTS + SCHEMA)
    for found in catalog.torn(cloud):
        logger.warning("gs://%s/%s#%d lost bytes in a power cut: removed", found.bucket, found.name, found.generation)
        catalog.remove(cloud, found)
    kept = {row[0] for row in cloud.resources.execute("SELECT id FROM storage_sessions WHERE state = ?", (OPEN,))}
    kept |= {row[0] for row in cloud.resources.execute("SELECT file FROM storage_parts")}
    sweep(cloud.state, lambda key: catalog.names_blob(cloud, key), kept.__contains__)
