"""`python -m infra.emulator --port N --state DIR`: the local cloud in the foreground."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from infra.emulator.calls import HANDLERS, Cloud
from infra.emulator.ports import LOOPBACK, UnavailableError, listen, lock_state
from infra.emulator.protocol import BoundedProtocol
from infra.emulator.request_log import RequestLog
from infra.emulator.resources import Resources
from infra.emulator.server import Options, application
from infra.emulator.state_files import put_in_place

DEFAULT_PORT = 8790
START = "local.start"  # what the start is called among the methods that faults name
GRACE_SECONDS = 2  # how long requests in flight may hold up the end


class Server(uvicorn.Server):
    """A server that says where it is as soon as clients can reach it."""

    cloud: Cloud

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End: first those who wait for something, then the rest."""
        self.cloud.stopping.set()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, run the start hooks, and print the one line that callers wait for."""
        for fault, _ in self.cloud.faults.strike("slowStart", START):
            await asyncio.sleep(fault.seconds)
        await super().startup(sockets)
        if self.started:
            print(f"ready {self.cloud.url}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the local cloud until SIGTERM or Ctrl-C; 2 where it cannot start."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(sorted(HANDLERS)))
        return 0
    try:
        _log_to_stderr()
        return _serve(options)
    except UnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.emulator", description="The local Google Cloud.")
    default_port = os.environ.get("LOCAL_CLOUD_PORT", DEFAULT_PORT)
    parser.add_argument("--port", type=int, default=default_port, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state", type=Path, default=Path(".local/cloud"), help="folder of everything it keeps")
    parser.add_argument("--token", default="", help="demand this bearer token of every caller")
    strict = "demand a token, permissions and enabled APIs: see infra/emulator/README.md"
    parser.add_argument("--strict", action="store_true", help=strict)
    slow = "long-running operations look under way for so long"
    parser.add_argument("--operation-seconds", type=float, default=0.0, metavar="S", help=slow)
    parser.add_argument("--log", type=Path, help="append one line per request to this file")
    parser.add_argument("--seed", type=int, default=0, help="order of rows over the shards of batch jobs")
    parser.add_argument("--parity", action="store_true", help="batch jobs fail whole batches, as the services do")
    parser.add_argument("--lenient", action="store_true", help="log unknown fields and parameters, do not refuse them")
    parser.add_argument("--list", action="store_true", help="print the method ids it handles, and stop")
    return parser


def _log_to_stderr() -> None:
    """Send warnings and faults to stderr."""
    to_stderr = logging.StreamHandler()
    to_stderr.setLevel(logging.WARNING)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", handlers=[to_stderr])


def _serve(options: argparse.Namespace) -> int:
    state = options.state.resolve()
    with lock_state(state), listen(options.port) as listener:
        port = listener.getsockname()[1]
        put_in_place(state)
        cloud = Cloud(
            _resources(state),
            state,
            f"http://{LOOPBACK}:{port}",
            seed=options.seed,
            parity=options.parity,
            strict=options.strict,
            operation_seconds=options.operation_seconds,
        )
        cloud.faults.load(cloud.resources)
        try:
            return _run(cloud, Options(options.token, options.lenient, RequestLog(options.log)), listener)
        finally:
            cloud.resources.close()


def _resources(state: Path) -> Resources:
    try:
        return Resources(state / "cloud.sqlite")
    except sqlite3.DatabaseError as error:
        message = (
            f"Cannot open {str(state / 'cloud.sqlite')!r}: {error}. Run: invoke local.reset, or choose another --state"
        )
        raise UnavailableError(message) from None


def _run(cloud: Cloud, options: Options, listener: socket.socket) -> int:
    config = uvicorn.Config(
        application(cloud, options),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=BoundedProtocol,
        loop="uvloop",
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=240,  # seconds, as Google's front ends keep an idle connection
    )
    server = Server(config)
    server.cloud = cloud
    for name in (signal.SIGTERM, signal.SIGINT):
        # Told to end before the server listens for it, and when the server, having ended, raises the signal again.
        signal.signal(name, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
