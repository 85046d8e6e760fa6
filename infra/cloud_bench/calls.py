"""Simple calls over kept-alive connections, by a client that costs as little as one in Python can."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.errors import InfraError

STEP = 500  # calls between two reports
Progress = Callable[[int], None]


@dataclass
class Connection:
    """A kept-alive HTTP connection."""

    socket: socket.socket
    request: bytes
    rest: bytes = b""

    def call(self) -> None:
        """Send the request and read the answer; raises InfraError unless that is 200."""
        self.socket.sendall(self.request)
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise InfraError(f"The server answered {head[:60]!r} under load")
        whole = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(data) < whole:
            data += self._more()
        self.rest = data[whole:]

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise InfraError("The server closed a connection under load")
        return data


def rate(port: int, path: str, calls: int, connections: int, progress: Progress) -> float:
    """Return how many GETs a second the server answers over some connections at once."""
    lock, done, failed = threading.Lock(), 0, []

    def report() -> None:
        nonlocal done
        with lock:
            done += STEP
            progress(done)

    def work() -> None:
        try:
            _calls(port, path, calls // connections, report)
        except (OSError, InfraError) as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise InfraError(str(failed[0]))
    return calls / (time.perf_counter() - began)


def _calls(port: int, path: str, count: int, report: Callable[[], None]) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer local\r\nAccept: */*\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(connected, head.encode())
        for number in range(1, count + 1):
            connection.call()
            if number % STEP == 0:
                report()
