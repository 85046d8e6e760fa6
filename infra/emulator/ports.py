"""The local cloud's port and state folder, each held by one process; who holds them when it is another."""

import errno
import fcntl
import os
import socket
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

LOOPBACK = "127.0.0.1"
LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


class UnavailableError(Exception):
    """The port or the state folder cannot be had; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Process:
    """A process as a user would look for it."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def listen(port: int) -> socket.socket:
    """Return a listening socket on the loopback; raises UnavailableError, naming who has the port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((LOOPBACK, port))
        server.listen(2048)
    except (OSError, OverflowError) as error:
        server.close()
        raise UnavailableError(_refused(port, error)) from None
    return server


def _refused(port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        holder = holder_of(port) or "another process"
        stop = f"kill {holder.pid}" if isinstance(holder, Process) else "stop it"
        return (
            f"Port {port} is taken by {holder}. Run: {stop}, or take another port: export LOCAL_CLOUD_PORT={port + 1}"
        )
    return f"Cannot listen on port {port}: {error}. Choose another with --port (LOCAL_CLOUD_PORT)"


def holder_of(port: int) -> Process | None:
    """Return the process that listens on a loopback port, where this system tells (Linux)."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if wanted & _open_files(process):
            return describe(int(process.name))
    return None


def _listening(table: Path, port: int) -> set[str]:
    """Return the inodes of a table's sockets that listen on a port."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port}


def _open_files(process: Path) -> set[str]:
    try:
        handles = list((process / "fd").iterdir())
    except OSError:  # another user's, or gone meanwhile
        return set()
    return {_target(handle) for handle in handles}


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:  # closed meanwhile
        return ""


def describe(pid: int) -> Process:
    """Return a running process with its command line, cut to what fits a message."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = "?"
    return Process(pid, command if len(command) <= 100 else f"{command[:97]}...")


def lock_state(state: Path) -> TextIOWrapper:
    """Make the state folder and take its lock, which a dead process does not keep; raises UnavailableError."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("a+")
    except OSError as error:
        message = f"Cannot write the state folder {str(state)!r}: {error.strerror}. Choose another with --state"
        raise UnavailableError(message) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnavailableError(_locked(state, lock)) from None
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(state: Path, lock: TextIOWrapper) -> str:
    lock.seek(0)
    pid = lock.read().strip()
    lock.close()
    holder = describe(int(pid)) if pid.isdigit() else "another process"
    stop = f"kill {pid}" if pid.isdigit() else "stop it"
    return f"The state folder {str(state)!r} is in use by {holder}. Run: {stop}, or choose another with --state"
