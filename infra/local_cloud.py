"""The local cloud as a process of this clone: started, found, stopped and forgotten."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.engine.sealing import passphrase, sealer_of
from infra.settings import local_stack_config
from infra.stacks import ROOT, Stack, StackError, read_stack, remove_setting, stack_path, write_stack

HOME = ROOT / ".local"
STATE = HOME / "cloud"
LOG = HOME / "logs" / "cloud.log"
REQUESTS = HOME / "logs" / "requests.log"
DEFAULT_PORT = 8790
START_LIMIT = 30.0  # seconds; the emulator is ready in about one
STOP_LIMIT = 15.0  # seconds; running jobs are ended and resumed at the next start


@dataclass(frozen=True)
class Health:
    """What a running local cloud says of itself at /healthz."""

    url: str
    pid: int
    state: Path
    facts: dict[str, Any]


def default_port() -> int:
    """Return the port of `LOCAL_CLOUD_PORT`, else the one that this clone's cloud had last, else 8790."""
    text = os.environ.get("LOCAL_CLOUD_PORT") or str(urlsplit(_last_url()).port or DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        msg = f"LOCAL_CLOUD_PORT is {text!r}, not a port. Run: export LOCAL_CLOUD_PORT={DEFAULT_PORT}"
        raise StackError(msg)
    return int(text)


def health(url: str) -> Health | None:
    """Ask a local cloud how it is; None where nothing, or something else, answers."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
            facts = json.load(answer)
        return Health(url, int(facts["pid"]), Path(facts["state"]), facts)
    except (OSError, ValueError, KeyError, TypeError, urllib.error.URLError):
        return None


def own() -> Health | None:
    """Return how this clone's local cloud is, if it runs."""
    found = health(url) if (url := _last_url()) else None
    return found if found and found.state == STATE.resolve() else None


def start(port: int = 0, options: Sequence[str] = ()) -> tuple[Health, bool]:
    """Start this clone's local cloud unless it runs, and write Pulumi.local.yaml for its address.

    Without a port, one that runs is the right one wherever it is. Options are those of `python -m infra.emulator`.

    Returns:
        How it is, and whether this call started it.

    Raises:
        StackError: the port is taken, or the cloud did not come up; the line says by whom, or why.
    """
    if not 0 <= port < 65536:
        msg = f"{port} is no port: 1 to 65535. Run: invoke local.start --port {DEFAULT_PORT}"
        raise StackError(msg)
    running = own()
    url = running.url if running and not port else f"http://127.0.0.1:{port or default_port()}"
    port = int(url.rpartition(":")[2])
    if running and running.url != url:
        msg = (
            f"This clone's local cloud runs at {running.url} (process {running.pid})."
            f" Run: invoke local.stop, then: invoke local.start --port {port}"
        )
        raise StackError(msg)
    running = running or _unless_of_another(health(url))
    emptied = not STATE.exists()
    found = running or _spawn(url, port, options)
    stack = write_stack("local", local_stack_config(url), sealer_of("", passphrase()).salt)
    for key in ("models", "endpoints") if emptied else ():  # went with the state that somebody removed
        remove_setting(stack, key)
    return found, running is None


def _last_url() -> str:
    try:
        return read_stack("local").local_url
    except StackError:
        return ""


def _unless_of_another(found: Health | None) -> Health | None:
    """Refuse the local cloud of another clone."""
    if found is None or found.state == STATE.resolve():
        return found
    port = int(found.url.rpartition(":")[2])
    msg = (
        f"Port {port} serves another local cloud (state {str(found.state)!r}, process {found.pid})."
        f" Run: invoke local.start --port {port + 1}"
    )
    raise StackError(msg)


def stop(url: str) -> Health | None:
    """Stop this clone's local cloud and wait for its end; None where it does not run."""
    running = health(url)
    if running is None or running.state != STATE.resolve():
        return None
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT
    while _alive(running.pid):
        if time.monotonic() > deadline:
            msg = f"The local cloud did not stop within {STOP_LIMIT:.0f} s. Run: kill -9 {running.pid}"
            raise StackError(msg)
        time.sleep(0.05)
    return running


def reset(*, snapshots: bool = False) -> list[Path]:
    """Remove the cloud's state and the local stack, deployment and file; return what was removed.

    Snapshots stay, unless they are to go too.
    """
    kept = STATE / "snapshots"
    state = [path for path in STATE.iterdir() if path != kept] if kept.exists() and not snapshots else [STATE]
    folders = [path for path in (*state, HOME / "stacks", HOME / "pulumi") if path.exists()]
    for path in folders:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    file = stack_path("local")  # it names models that are gone now
    if not file.exists():
        return folders
    file.unlink()
    return [*folders, file]


def require(stack: Stack) -> None:
    """Refuse to go on where the stack is local and its cloud does not answer."""
    if not stack.local_url:
        return
    found = health(stack.local_url)
    if found is None:
        port = stack.local_url.rsplit(":", 1)[1]
        msg = f"No local cloud answers at {stack.local_url}. Run: invoke local.start --port {port}"
        raise StackError(msg)
    if found.state.parts[-2:] == STATE.parts[-2:]:  # a clone's; one that was started by hand may be anyone's
        _unless_of_another(found)


def environment(stack: Stack) -> dict[str, str]:
    """Return the variables that point stock Google clients, Terraform and Pulumi at the local cloud."""
    endpoints = {
        f"GOOGLE_{_snake(key.removeprefix('gcp:'))}": str(value)
        for key, value in stack.config.items()
        if key.startswith("gcp:") and key.endswith("CustomEndpoint")
    }
    return {
        "LOCAL_CLOUD_URL": stack.local_url,
        "STORAGE_EMULATOR_HOST": stack.local_url,
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # else gcsfs asks for the kind of each bucket by gRPC over TLS
        "GOOGLE_CLOUD_PROJECT": str(stack.config["gcp:project"]),
        "GOOGLE_OAUTH_ACCESS_TOKEN": str(stack.config["gcp:accessToken"]),
        **dict(sorted(endpoints.items())),
    }


def _spawn(url: str, port: int, more: Sequence[str]) -> Health:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    options = ["--port", str(port), "--state", str(STATE), "--log", str(REQUESTS), *more]
    command = [sys.executable, "-m", "infra.emulator", *options]
    with LOG.open("ab") as log:
        offset = log.tell()
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        if (found := health(url)) and found.pid == process.pid:
            return found
        time.sleep(0.05)
    if process.poll() is None:
        process.terminate()
    said = _last_line(offset).removeprefix("error: ")
    raise StackError(said or f"The local cloud did not start within {START_LIMIT:.0f} s. See {LOG}")


def _last_line(offset: int) -> str:
    with LOG.open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a child of this process stays as a zombie until it is waited for
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def _snake(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)
