"""The state folder as files: staged beside what is there, then put in its place by steps that a kill cannot tear.

The moment at which a staged state becomes the state is one rename. What follows only moves files, and the next start
goes on with it.
"""

import os
import shutil
import sqlite3
from pathlib import Path

DATABASE = "cloud.sqlite"
FOLDERS = ("objects", "models", "jobs")
PIECES = (DATABASE, *FOLDERS)
TRANSIENT = "servers"  # running model servers' logs
STAGING, STAGED = "staging", "staged"
GROWING = "uploads"  # below objects: files that are appended to, as those of jobs are


def stage(state: Path, source: Path | None) -> Path:
    """Make a folder that holds every piece of a snapshot, or of an empty state; return it."""
    folder = state / STAGING
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if source:
        copy_folders(source, folder)
        shutil.copyfile(source / DATABASE, folder / DATABASE)
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
    (folder / DATABASE).touch()  # SQLite takes an empty file as a new database
    return folder


def agree(state: Path, staging: Path) -> None:
    """Make the staged state the one to be: from here on there is no way back, and no kill that hinders."""
    sync(staging / DATABASE)
    staging.rename(state / STAGED)
    sync(state)


def put_in_place(state: Path) -> bool:
    """Move an agreed state's pieces to their places, wherever that was interrupted; return whether there was one."""
    folder = state / STAGED
    shutil.rmtree(state / STAGING, ignore_errors=True)
    if not folder.is_dir():
        return False
    for name in PIECES:
        if (folder / name).exists():
            _remove(state, name)
            (folder / name).rename(state / name)
    shutil.rmtree(state / TRANSIENT, ignore_errors=True)
    folder.rmdir()
    return True


def _remove(state: Path, name: str) -> None:
    if name == DATABASE:  # with its log, which must never meet another database
        for path in (state / f"{name}-wal", state / f"{name}-shm", state / name):
            path.unlink(missing_ok=True)
    elif (state / name).exists():
        shutil.rmtree(state / name)


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy an open database, as it is now, into one file."""
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    sync(target)


def copy_folders(source: Path, target: Path) -> None:
    """Put the files of a state's folders at another place: links to those that never change, copies of the rest."""
    for name in FOLDERS:
        for path in sorted((source / name).rglob("*")):
            relative = path.relative_to(source)
            if path.is_dir():
                (target / relative).mkdir(parents=True, exist_ok=True)
            else:
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                _put(path, target / relative, copied=name == "jobs" or relative.parts[1] == GROWING)


def _put(source: Path, target: Path, *, copied: bool) -> None:
    try:
        if not copied:
            try:
                target.hardlink_to(source)
                return
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or one without hard links
                pass
        shutil.copyfile(source, target)
    except FileNotFoundError:  # an upload or a job that ended meanwhile: no row names it
        return


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
