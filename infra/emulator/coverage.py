"""The page COVERAGE.md: each method the local cloud handles, by which function, and which test proves it.

From the table of handlers, the calls that tests made (`tests/data/emulator-proofs.json`, written by the tests
themselves: `invoke local.coverage --record`), and the markers by which test modules say what they hold calls against.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from infra.emulator import apis
from infra.emulator.calls import HANDLERS
from infra.emulator.discovery import VERSIONS, Node, document

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("COVERAGE.md")
PROOFS = ROOT / "tests" / "data" / "emulator-proofs.json"
MARKER = "evidence"  # pytest.mark.evidence("recorded"); a module without one holds calls against documentation
KINDS = {
    "recorded": "held against an answer recorded from Pulumi's gcp provider at work",
    "documented": "held against Google's documentation, client libraries or open code",
    "shape only": "answered in the form of the discovery document; no more is claimed",
}
EVERY_ROUTE = "test_emulator_fuzz_routes.py::test_every_route_is_answered"


@dataclass(frozen=True)
class Row:
    """One handled method."""

    method: str
    versions: tuple[str, ...]
    handler: str
    proof: str
    test: str


def page() -> str:
    """Return the page's text."""
    rows = list(_rows())
    counts = {kind: sum(row.proof == kind for row in rows) for kind in KINDS}
    lines = [
        "# What the local cloud handles, and what proves it",
        "",
        "Written by `invoke local.coverage`, kept true by a test. Any other method answers 501 with its id.",
        "",
        f"{len(rows)} methods are handled:",
        "",
        *(f"* {kind} ({counts[kind]}): {meaning}" for kind, meaning in KINDS.items()),
        "",
    ]
    for api in sorted({row.method.partition(".")[0] for row in rows}):
        own = [row for row in rows if row.method.startswith(f"{api}.")]
        lines += [f"## {api} ({', '.join(VERSIONS[api])})", "", *_not_handled(api, own), ""]
        lines += ["| method | handled by | proof | test |", "|---|---|---|---|"]
        lines += [f"| {_shown(row)} | `{row.handler}` | {row.proof} | {row.test} |" for row in own]
        lines.append("")
    return "\n".join(lines)


def _rows() -> Iterator[Row]:
    assert apis.__all__  # importing them fills the table
    proofs, kinds = _proofs(), _kinds()
    for method in sorted(HANDLERS):
        api = method.partition(".")[0]
        versions = tuple(version for version in VERSIONS[api] if method in method_ids(api, version))
        handler = HANDLERS[method]
        name = getattr(handler, "__name__", "<lambda>")  # those made from a table have none of their own
        module = handler.__module__.rpartition(".")[2]
        place = module if name == "<lambda>" else f"{module}.{name}"
        proof, test = _best(proofs.get(method, []), kinds)
        yield Row(method, versions, place, proof, test)


def _best(tests: list[str], kinds: dict[str, str]) -> tuple[str, str]:
    """Return the strongest kind of proof among some tests, and the test that gives it."""
    for kind in KINDS:
        for test in tests:
            if kinds.get(test.partition("::")[0], "documented") == kind:
                return kind, test
    return "shape only", EVERY_ROUTE


def _proofs() -> dict[str, list[str]]:
    found: dict[str, list[str]] = orjson.loads(PROOFS.read_bytes()) if PROOFS.exists() else {}
    return found


def _kinds() -> dict[str, str]:
    """Return the kind of evidence that test modules declare: `pytestmark = pytest.mark.evidence("recorded")`."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                for kind in _declared(node.value):
                    found[path.name] = kind
    return found


def _declared(marks: ast.expr) -> Iterator[str]:
    for call in ast.walk(marks):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.mark.{MARKER}":
            yield str(ast.literal_eval(call.args[0]))


def method_ids(api: str, version: str) -> frozenset[str]:
    """Return the ids of an API's methods."""
    return frozenset(_ids(document(api, version).root))


def _ids(node: Node) -> Iterator[str]:
    yield from (method.id for method in node.methods.values())
    for child in node.branches.values():
        yield from _ids(child)


def _not_handled(api: str, rows: list[Row]) -> list[str]:
    every = {method for version in VERSIONS[api] for method in method_ids(api, version)}
    return [f"{len(rows)} of {len(every)} methods."]


def _shown(row: Row) -> str:
    api = row.method.partition(".")[0]
    only = "" if row.versions == VERSIONS[api] else f" ({', '.join(row.versions) or 'no address'})"
    return f"`{row.method}`{only}"
