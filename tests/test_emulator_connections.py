"""Connections that misbehave: half-open, endless, malformed. None of them holds up anybody else."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from infra.emulator.protocol import LARGEST_HEAD
from tests.cloud import LocalCloud
from tests.storage import new_bucket, storage_client

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UPLOAD = b"POST /upload/storage/v1/b/none/o?uploadType=media&name=x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CONTENT = random.Random(4).randbytes(20_000_000)  # more than the kernel holds back for a connection
JSON_POST = b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def connected(cloud: LocalCloud) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", cloud.port), timeout=30)


def answer(connection: socket.socket) -> bytes:
    """Read until the server closes, or has said enough."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    return data


@pytest.fixture(scope="module")
def reading(local_cloud: LocalCloud) -> Iterator[bytes]:
    """The beginning of a request for CONTENT."""
    client = storage_client(local_cloud)
    blob = new_bucket(client).blob("large")
    blob.upload_from_string(CONTENT)
    yield f"GET /{blob.bucket.name}/large HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    client.close()


def test_two_hundred_half_open_clients_block_nobody(local_cloud: LocalCloud) -> None:
    """Heads and bodies that stop half way, answers that nobody reads: others are answered as ever."""
    beginnings = [
        b"",
        b"GET /hea",
        HEAD,
        JSON_POST + b'Content-Length: 100\r\n\r\n{"name": ',
        UPLOAD + b"Content-Length: 1000000\r\n\r\nabc",
    ]
    with ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(connected(local_cloud))
            connection.sendall(beginnings[number % len(beginnings)])
        with requests.Session() as session:
            for number in range(50):
                made = session.post(
                    f"{local_cloud.url}/aiplatform/v1/projects/p/locations/us-central1/endpoints",
                    json={"displayName": f"beside half-open clients {number}"},
                    timeout=30,
                )
                assert made.status_code == 200
        finished = stack.enter_context(connected(local_cloud))
        finished.sendall(HEAD + b"\r\n")
        assert answer(finished).startswith(b"HTTP/1.1 200")
    assert requests.get(f"{local_cloud.url}/healthz", timeout=30).json()["inFlight"] < 200


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-Long: " + b"x" * (2 * LARGEST_HEAD) + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
        b"GET /" + b"x" * (2 * LARGEST_HEAD) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        HEAD + b"X-Endless: " + b"x" * (3 * LARGEST_HEAD),
    ],
    ids=["one header", "many headers", "address", "endless"],
)
def test_heads_that_are_too_large_are_refused(local_cloud: LocalCloud, head: bytes) -> None:
    """More than 64 KiB of address and headers get 431 and the end of the connection."""
    with connected(local_cloud) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the answer came before all was sent
            connection.sendall(head)
        with suppress(ConnectionResetError):  # what was sent after the answer made the system drop it
            assert answer(connection).startswith(b"HTTP/1.1 431")
    assert requests.get(f"{local_cloud.url}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("data", "refusals"),
    [
        (b"\x00\x01\x02\r\n\r\n", (b"HTTP/1.1 400",)),
        (b"GET\r\n\r\n", (b"HTTP/1.1 400",)),
        (b"GET / HTTP/9.9\r\n\r\n", (b"HTTP/1.1 400",)),
        (b"\r\n" * 100_000, (b"HTTP/1.1 400", b"HTTP/1.1 431")),  # more than a head may have, if in few packets
    ],
)
def test_what_is_no_http_is_refused(local_cloud: LocalCloud, data: bytes, refusals: tuple[bytes, ...]) -> None:
    """Other protocols get 400, or the end of the connection; too many bytes of them get 431."""
    said = refusals[0]
    with connected(local_cloud) as connection, suppress(OSError):  # dropped before all was sent
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        said = answer(connection) or said
    assert said.startswith(refusals)
    assert requests.get(f"{local_cloud.url}/healthz", timeout=30).status_code == 200


def test_requests_in_one_packet_are_answered_in_order(local_cloud: LocalCloud) -> None:
    """Pipelined requests get their answers one after the other, whole."""
    with connected(local_cloud) as connection:
        connection.sendall((HEAD + b"\r\n") * 5 + HEAD + b"Connection: close\r\n\r\n")
        data = b""
        while more := connection.recv(65536):
            data += more
    assert data.count(b"HTTP/1.1 200 OK") == 6
    assert data.count(b'"status":"ok"') == 6


def test_large_answers_in_one_packet_come_in_order(local_cloud: LocalCloud, reading: bytes) -> None:
    """Large answers and small ones on one connection, to a client that first lets them wait: each is whole."""
    part = b"Range: bytes=1000000-18999999\r\n"
    with connected(local_cloud) as connection:
        close = b"Connection: close\r\n\r\n"
        connection.sendall(reading + b"\r\n" + HEAD + b"\r\n" + reading + part + b"\r\n" + HEAD + close)
        data = bytearray()
        while more := connection.recv(1 << 20):
            data += more
    whole, ended, rest = data.partition(CONTENT)
    small, sliced, last = rest.partition(CONTENT[1_000_000:19_000_000])
    assert ended
    assert sliced
    assert b"content-length: 20000000" in whole
    assert b"206 Partial Content" in small
    assert small.count(b'"status":"ok"') == last.count(b'"status":"ok"') == 1


def test_readers_that_break_off_leave_nothing_behind(local_cloud: LocalCloud, reading: bytes) -> None:
    """Whoever goes away in the middle of a large object costs nothing any more: no request, no open file."""
    health = requests.get(f"{local_cloud.url}/healthz", timeout=30).json()
    files = Path(f"/proc/{health['pid']}/fd")
    before = len(list(files.iterdir()))
    with ExitStack() as stack:
        for _ in range(30):
            connection = stack.enter_context(connected(local_cloud))
            connection.sendall(reading + b"\r\n")
            assert len(connection.recv(100_000)) > 0
        assert requests.get(f"{local_cloud.url}/healthz", timeout=30).json()["inFlight"] >= 31
    end = time.monotonic() + 60
    while requests.get(f"{local_cloud.url}/healthz", timeout=30).json()["inFlight"] > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    while len(list(files.iterdir())) > before + 2:
        assert time.monotonic() < end
        time.sleep(0.05)
