"""The request log and the ids of requests: what is in an answer is found in the log."""

import re
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator import request_log
from infra.emulator.exchange import Exchange
from infra.emulator.request_log import RequestLog
from infra.request_logs import follow, last, parse
from tests.clones import make_clone
from tests.cloud import LocalCloud, start_cloud

ENDPOINT = "/aiplatform/v1/projects/log-project/locations/us-central1/endpoints/7"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> LocalCloud:
    """An emulator that writes a request log, ended: its log is whole."""
    cloud = start_cloud(folder := tmp_path_factory.mktemp("log"), "--log", str(folder / "requests.log"))
    for path in ("/healthz", ENDPOINT, "/storage/v1/b/none?fields=name", "/none/object", "/nothing"):
        requests.get(cloud.url + path, timeout=30)
    cloud.stop()
    return cloud


def test_every_request_is_a_line_with_its_method(logged: LocalCloud) -> None:
    """Verb, address with its query, status, discovery id and why it was refused."""
    told = [(one.verb, one.address, one.status, one.method) for one in last(logged.state / "requests.log", 9)]
    assert told == [
        ("GET", "/healthz", 200, ""),
        ("GET", ENDPOINT, 404, "aiplatform.projects.locations.endpoints.get"),
        ("GET", "/storage/v1/b/none?fields=name", 404, "storage.buckets.get"),
        ("GET", "/none/object", 404, "storage.objects.get"),
        ("GET", "/nothing", 404, "storage.objects.list"),
    ]
    messages = [one.message for one in last(logged.state / "requests.log", 9)]
    assert messages[0] == ""
    assert messages[1].startswith("The Endpoint does not exist")
    assert messages[2:4] == ["The specified bucket does not exist."] * 2


def test_a_refusal_names_its_request(local_cloud: LocalCloud) -> None:
    """The id of the header stands in the error: as RequestInfo, in storage's debugInfo, in XML's RequestId."""
    vertex = requests.get(local_cloud.url + ENDPOINT, timeout=30)
    info = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": vertex.headers["x-request-id"]}
    assert vertex.json()["error"]["details"][-1] == info
    storage = requests.get(f"{local_cloud.url}/storage/v1/b/none", timeout=30)
    assert storage.json()["error"]["errors"][0]["debugInfo"] == f"request {storage.headers['x-request-id']}"
    xml = requests.get(f"{local_cloud.url}/none/object", timeout=30)
    assert f"<RequestId>{xml.headers['x-request-id']}</RequestId>" in xml.text
    foreign = requests.get(f"{local_cloud.url}/healthz", headers={"Host": "evil.example"}, timeout=30)
    assert foreign.headers["x-request-id"] in foreign.text


def test_ids_differ_and_successes_have_them_too(local_cloud: LocalCloud) -> None:
    """Each answer has an id of its own."""
    ids = {requests.get(f"{local_cloud.url}/healthz", timeout=30).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in ids)


@given(st.text(), st.text(), st.integers(100, 599), st.floats(0, 1e6))
def test_whatever_is_logged_is_one_line_that_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, address: str, message: str, status: int, seconds: float
) -> None:
    """No address and no message breaks the log's form."""
    path = tmp_path_factory.mktemp("log") / "log"
    quoted = "/" + quote(address, errors="replace")  # as HTTP has it
    RequestLog(path).note(Exchange("0123456789ab", "a.b", message), "GET", quoted, status, seconds)
    (line,) = path.read_text().removesuffix("\n").split("\n")
    request = parse(line)
    assert request is not None
    assert (request.id, request.status, request.method) == ("0123456789ab", status, "a.b")
    assert request.address == quoted or request.address.endswith("...")
    assert request.line().splitlines()[0].split()[1] == str(status)


@pytest.mark.long
def test_the_log_keeps_to_its_size_and_is_followed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit the file becomes NAME.1; who follows it reads on in the new one."""
    monkeypatch.setattr(request_log, "LARGEST", 1000)
    path = tmp_path / "log"
    log = RequestLog(path)
    log.note(Exchange(method="before"), "GET", "/", 200, 0)
    found: list[str] = []

    def read() -> None:
        with closing(follow(path)) as later:
            for request in later:
                found.append(request.method)
                if request.method == "40":
                    return

    reader = threading.Thread(target=read)
    reader.start()
    numbers = iter(range(1, 41))
    while not found:  # the reader begins at the end of what is there
        log.note(Exchange(method="0"), "GET", "/", 200, 0)
        reader.join(0.05)
    for number in numbers:
        log.note(Exchange(method=str(number)), "GET", "/", 200, 0)
        if number % 5 == 0:
            reader.join(0.5)
    reader.join(30)
    assert not reader.is_alive()
    assert path.stat().st_size <= 1000
    assert (tmp_path / "log.1").stat().st_size <= 1000


@pytest.mark.long
def test_the_task_shows_and_follows(tmp_path: Path) -> None:
    """`invoke local.logs` prints the last requests, `--follow` those that come, `--errors` the refused ones."""
    clone = make_clone(tmp_path)
    url = clone.facts("local.start")["url"]
    try:
        requests.get(f"{url}/storage/v1/b/none", timeout=30)
        shown = clone.invoke("local.logs", "--errors", "--lines", "5").stdout
        assert "404" in shown and "storage.buckets.get" in shown and "does not exist" in shown
        followed = ("--follow", "--lines", "0", "--match", "seen-by-tail", "--json")
        tail = clone.start("local.logs", *followed, stdout=subprocess.PIPE)
        assert tail.stdout is not None
        sending = threading.Event()

        def send() -> None:
            while not sending.wait(0.2):
                requests.get(f"{url}/storage/v1/b/seen-by-tail", timeout=30)

        sender = threading.Thread(target=send)
        sender.start()
        line = tail.stdout.readline()
        sending.set()
        sender.join()
        tail.terminate()
        tail.communicate(timeout=30)
        assert '"address": "/storage/v1/b/seen-by-tail"' in line
    finally:
        clone.invoke("local.stop")
