"""Which methods of the local cloud each test calls: noted while tests run, where LOCAL_CLOUD_PROOFS asks for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from infra.request_logs import parse

# The emulator is imported where it is needed: importing all of it registers its hooks in every test's process.
RECORDED = "test_emulator_trace.py"  # holds answers against recorded ones: no proof is better
PROOFS = Path(__file__).parent / "data" / "emulator-proofs.json"

MOST = 3  # tests that are kept for a method: those that call the fewest others
WANTED = bool(os.environ.get("LOCAL_CLOUD_PROOFS"))


@dataclass
class Recorder:
    """The request logs of the emulators that tests started, and what was called."""

    logs: dict[Path, int] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    found: dict[str, set[str]] = field(default_factory=dict)  # test -> methods


RECORDER = Recorder()


def arguments(state: Path, given: tuple[str, ...]) -> list[str]:
    """Return the arguments that make an emulator write a log for the recorder."""
    if not WANTED or "--log" in given:
        return []
    RECORDER.logs.setdefault(path := state / "proofs.log", 0)
    return ["--log", str(path)]


def watch_handlers() -> None:
    """Note the calls that tests make in this process too."""
    from infra.emulator import apis
    from infra.emulator.calls import HANDLERS, Call

    assert apis.__all__
    for method, handler in list(HANDLERS.items()):

        @wraps(handler)  # the page of methods tells where each is handled
        def noting(call: Call, handler: Any = handler, method: str = method) -> Any:
            done = handler(call)
            RECORDER.called.add(method)
            return done

        HANDLERS[method] = noting


@contextmanager
def recording(test: str) -> Iterator[None]:
    """Note what one test calls with success."""
    if not WANTED:
        yield
        return
    _read()
    RECORDER.called.clear()
    yield
    RECORDER.found.setdefault(test, set()).update(_read() | RECORDER.called)  # a test runs once per parameter


def _read() -> set[str]:
    """Return the methods that the logs name since they were last read."""
    found = set()
    for path, offset in RECORDER.logs.items():
        data = path.read_bytes()[offset:] if path.exists() else b""
        RECORDER.logs[path] = offset + len(data)
        requests = [parse(line) for line in data.decode(errors="replace").splitlines()]
        found |= {one.method for one in requests if one and one.status < 400 and _is_handled(one.address)}
    return found - {""}


def _is_handled(address: str) -> bool:
    """Tell whether a request went to its method's handler: storage's own paths mean methods that others answer."""
    from infra.emulator.dispatch import is_api

    path, _, query = address.partition("?")
    return is_api(unquote(path)) and "alt=media" not in query


def write() -> None:
    """Write what was found, in place of what was known of the same tests."""
    from infra.emulator.calls import HANDLERS

    known: dict[str, list[str]] = orjson.loads(PROOFS.read_bytes()) if PROOFS.exists() else {}
    methods = {method for called in RECORDER.found.values() for method in called} | set(known)
    proofs = {}
    for method in sorted(methods & set(HANDLERS)):
        fresh = [test for test, called in RECORDER.found.items() if method in called]
        kept = [test for test in known.get(method, []) if test not in RECORDER.found]
        ranked = sorted(fresh, key=lambda test: (not test.startswith(RECORDED), len(RECORDER.found[test]), test))
        proofs[method] = [*ranked[:MOST], *kept[: 2 * MOST]]
    PROOFS.write_bytes(orjson.dumps(proofs, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
