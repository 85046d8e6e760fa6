"""The local cloud as a process: it starts, says where it is, holds its port and state, ends, and forgets nothing."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.emulator.calls import HANDLERS
from infra.emulator.ports import holder_of
from infra.emulator.resources import Resources
from tests.cloud import ROOT, LocalCloud, start_cloud

REPOSITORIES = "artifactregistry/v1/projects/process-project/locations/us-central1/repositories"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the emulator where it is expected to end by itself."""
    command = [sys.executable, "-m", "infra.emulator", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def create(cloud: LocalCloud, name: str) -> None:
    """Create a repository, and fail unless that is acknowledged."""
    path = f"{cloud.url}/{REPOSITORIES}?repositoryId={name}"
    assert requests.post(path, json={"format": "DOCKER"}, timeout=30).status_code == 200


def names(cloud: LocalCloud) -> list[str]:
    """List the repositories' ids."""
    answer = requests.get(f"{cloud.url}/{REPOSITORIES}?pageSize=1000", timeout=30).json()
    return [one["name"].rpartition("/")[2] for one in answer.get("repositories", [])]


def test_list_prints_every_handled_method_sorted() -> None:
    """`--list` needs no port and no state."""
    listed = run("--list").stdout.splitlines()
    assert listed == sorted(listed)
    assert {"storage.buckets.insert", "aiplatform.projects.locations.endpoints.create"} <= set(listed)
    assert set(HANDLERS) <= set(listed)


def test_occupied_port_names_its_holder_and_the_way_out(local_cloud: LocalCloud, tmp_path: Path) -> None:
    """One line on stderr, exit status 2."""
    refused = run("--port", str(local_cloud.port), "--state", str(tmp_path))
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: Port {local_cloud.port} is taken by process {local_cloud.process.pid} (")
    other = f"export LOCAL_CLOUD_PORT={local_cloud.port + 1}"
    assert line.endswith(f"Run: kill {local_cloud.process.pid}, or take another port: {other}")
    assert refused.stdout == ""


def test_a_port_of_this_process_is_found() -> None:
    """The holder of a port is found among the processes that this user sees; a free port has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        holder = holder_of(port)
    assert holder is not None
    assert holder.pid == os.getpid()
    assert holder_of(port) is None


def test_state_in_use_names_its_holder(local_cloud: LocalCloud) -> None:
    """Two emulators never write to one folder."""
    refused = run("--port", "0", "--state", str(local_cloud.state))
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert f"is in use by process {local_cloud.process.pid} (" in line


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--port", "http")])
def test_impossible_ports_are_refused(arguments: tuple[str, str], tmp_path: Path) -> None:
    """A port that is none gets exit status 2 and no traceback."""
    refused = run(*arguments, "--state", str(tmp_path))
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_unwritable_state_is_one_line(tmp_path: Path) -> None:
    """A state folder that cannot be made names the path and the way out."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    refused = run("--port", "0", "--state", str(blocked / "state"))
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: Cannot write the state folder {str(blocked / 'state')!r}")
    assert "--state" in line


def test_state_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    """A damaged database is named, and not overwritten."""
    (tmp_path / "cloud.sqlite").write_text("this is no database, but text" * 100)
    refused = run("--port", "0", "--state", str(tmp_path))
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "cloud.sqlite" in line
    assert (tmp_path / "cloud.sqlite").read_text().startswith("this is no database")


def test_sigterm_ends_it_cleanly_and_at_once(tmp_path: Path) -> None:
    """Exit status 0, nothing on stderr; the state folder is free again."""
    cloud = start_cloud(tmp_path)
    create(cloud, "kept")
    cloud.stop()
    assert cloud.process.returncode == 0
    again = start_cloud(tmp_path)
    assert names(again) == ["kept"]
    again.stop()
    assert (tmp_path / "emulator.stderr").read_text() == ""


def test_who_waits_for_an_operation_is_answered_at_the_end(tmp_path: Path) -> None:
    """A caller that waits for an operation when the process is told to end gets the operation as it is."""
    name = "projects/p/locations/us-central1/operations/1"
    resources = Resources(tmp_path / "cloud.sqlite")
    resources.put("operations", name, {"name": name, "metadata": {}, "done": False})
    resources.close()
    cloud = start_cloud(tmp_path)
    answers: list[Any] = []

    def wait() -> None:
        answers.append(requests.post(f"{cloud.url}/aiplatform/v1/{name}:wait?timeout=25s", timeout=30).json())

    waiting = threading.Thread(target=wait)
    waiting.start()
    while waiting.is_alive() and requests.get(f"{cloud.url}/healthz", timeout=30).json()["inFlight"] < 2:
        pass
    cloud.stop()
    waiting.join()
    assert answers == [{"name": name, "metadata": {}, "done": False}]
    assert cloud.process.returncode == 0


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed between two writes and started again, the cloud still has what it answered for, and each thing once."""
    cloud = start_cloud(tmp_path)
    create(cloud, "first")
    cloud.kill()
    cloud = start_cloud(tmp_path, port=cloud.port)
    create(cloud, "second")
    assert names(cloud) == ["first", "second"]
    assert (
        requests.post(
            f"{cloud.url}/{REPOSITORIES}?repositoryId=first", json={"format": "DOCKER"}, timeout=30
        ).status_code
        == 409
    )
    cloud.stop()


def test_log_has_one_line_per_request(tmp_path: Path) -> None:
    """`--log` names verb, path as sent, and status; stderr stays empty."""
    cloud = start_cloud(tmp_path, "--log", str(tmp_path / "logs" / "access.log"))
    requests.get(f"{cloud.url}/healthz", timeout=30)
    requests.get(f"{cloud.url}/iam/v1/projects/p%0Aq/serviceAccounts", timeout=30)
    cloud.stop()
    first, second = (tmp_path / "logs" / "access.log").read_text().splitlines()
    assert " GET /healthz 200 " in first
    assert " GET /iam/v1/projects/p%0Aq/serviceAccounts 200 " in second
    assert (tmp_path / "emulator.stderr").read_text() == ""


def test_concurrent_creates_of_one_name_succeed_once(local_cloud: LocalCloud) -> None:
    """Sixteen callers at once: one is answered 200, the rest 409."""
    statuses: list[Any] = []
    path = f"{local_cloud.url}/{REPOSITORIES}?repositoryId=once"

    def attempt() -> None:
        statuses.append(requests.post(path, json={"format": "DOCKER"}, timeout=30).status_code)

    callers = [threading.Thread(target=attempt) for _ in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(statuses) == [200, *[409] * 15]
