"""Snapshots: the whole state under a name, taken while the local cloud runs, brought back while it runs."""

import re
import shutil
import sqlite3
from pathlib import Path

import orjson

from infra.emulator import state_files
from infra.emulator.calls import START_HOOKS, STOP_HOOKS, Cloud
from infra.emulator.errors import already_exists, failed_precondition, invalid, not_found
from infra.emulator.resources import Json
from infra.emulator.state_format import FORMAT, newer

FOLDER, MANIFEST, MAKING = "snapshots", "manifest.json", ".making"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def take(cloud: Cloud, name: str) -> Json:
    """Keep the state under a name; raises ApiError 400 for what is no name, 409 for one that is taken."""
    target = _folder(cloud, name)
    if target.exists():
        raise already_exists(f"There is a snapshot {name!r}. Remove it, or choose another name.")
    making = target.with_name(MAKING)
    with cloud.resources.held() as database:  # nothing is written, and no blob removed, until both parts are copied
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        state_files.copy_database(database, making / state_files.DATABASE)
        state_files.copy_folders(cloud.state, making)
    manifest = {"name": name, "created": cloud.now(), "format": FORMAT, **_counts(making)}
    (making / MANIFEST).write_bytes(orjson.dumps(manifest))
    making.rename(target)
    state_files.sync(target.parent)
    return manifest


def known(cloud: Cloud) -> list[Json]:
    """Return the snapshots there are, oldest first."""
    found = [orjson.loads(path.read_bytes()) for path in (cloud.state / FOLDER).glob(f"[a-z0-9]*/{MANIFEST}")]
    return sorted(found, key=lambda one: str(one["created"]))


def remove(cloud: Cloud, name: str) -> Json:
    """Forget a snapshot; raises ApiError 404."""
    manifest = _manifest(cloud, name)
    gone = _folder(cloud, name).with_name(f".removed-{name}")
    _folder(cloud, name).rename(gone)
    shutil.rmtree(gone)
    return manifest


def restore(cloud: Cloud, name: str) -> Json:
    """Bring a snapshot back; no request may be under way. Raises ApiError 404, or 400 for one of a newer format."""
    manifest = _manifest(cloud, name)
    if manifest["format"] > FORMAT:
        raise failed_precondition(newer(f"The snapshot {name!r}", manifest["format"], "invoke local.snapshot"))
    replace(cloud, _folder(cloud, name))
    return manifest


def replace(cloud: Cloud, source: Path | None) -> None:
    """Make a snapshot, or nothing, the state: all of it or, where this is killed too early, none."""
    staging = state_files.stage(cloud.state, source)
    for hook in STOP_HOOKS:
        hook(cloud)
    state_files.agree(cloud.state, staging)
    cloud.resources.reopen(lambda: state_files.put_in_place(cloud.state))
    cloud.faults.load(cloud.resources)
    for hook in START_HOOKS:
        hook(cloud)


def _manifest(cloud: Cloud, name: str) -> Json:
    path = _folder(cloud, name) / MANIFEST
    if not path.is_file():
        names = ", ".join(one["name"] for one in known(cloud)) or "none"
        raise not_found(f"No snapshot {name!r}; there are: {names}.")
    found: Json = orjson.loads(path.read_bytes())
    return found


def _folder(cloud: Cloud, name: str) -> Path:
    if not NAME.fullmatch(name):
        msg = f"{name!r} is no name for a snapshot: up to 63 of a-z, 0-9, '.', '_', '-', the first a letter or digit."
        raise invalid(msg, field_path="name")
    return cloud.state / FOLDER / name


def _counts(folder: Path) -> Json:
    """Return what a snapshot holds."""
    database = sqlite3.connect(folder / state_files.DATABASE)
    try:
        objects, size = database.execute("SELECT count(*), coalesce(sum(size), 0) FROM storage_objects").fetchone()
        (resources,) = database.execute("SELECT count(*) FROM resources").fetchone()
    finally:
        database.close()
    return {"resources": resources, "objects": objects, "bytes": size}
