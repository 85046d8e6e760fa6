"""What must hold of a local cloud's state at any time, whatever happened to it."""

import sqlite3
from pathlib import Path

import orjson


def problems_of(state: Path) -> list[str]:
    """Look through the state of a stopped local cloud; return what is wrong with it."""
    database = sqlite3.connect(state / "cloud.sqlite")
    try:
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        bodies = database.execute("SELECT kind, name, body FROM resources").fetchall()
        objects = database.execute("SELECT bucket, name, size, blob, body FROM storage_objects").fetchall()
    finally:
        database.close()
    found = [] if verdict == "ok" else [f"the database: {verdict}"]
    found += [f"{kind} {name}: no JSON object" for kind, name, body in bodies if not _is_object(body)]
    for bucket, name, size, blob, body in objects:
        file = state / "objects" / blob[:2] / blob
        if not _is_object(body):
            found.append(f"{bucket}/{name!r}: no JSON object")
        if not file.is_file():
            found.append(f"{bucket}/{name!r}: its bytes are gone")
        elif file.stat().st_size != size:
            found.append(f"{bucket}/{name!r}: {file.stat().st_size} bytes instead of {size}")
    known = {blob for _, _, _, blob, _ in objects}
    files = [path for path in (state / "objects").glob("[0-9a-f][0-9a-f]/*") if path.is_file()]
    return found + [f"{path.name}: bytes that no object has" for path in files if path.name not in known]


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False
