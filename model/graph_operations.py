"""SavedModel -> the operations of its graph, held against those of Google's prebuilt TensorFlow serving image.

That image has TensorFlow 2.15 and Keras exports with a later one: an operation or an attribute of one that 2.15 does
not know would fail later, when the service loads the model. Not seen here: kernels that 2.15 lacks for a type.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model.errors import UserError
from model.wire import fields, varint

KNOWN = Path(__file__).parent / "data" / "tensorflow-2.15-operations.txt"


@dataclass(frozen=True)
class Graph:
    """What a SavedModel's graph is made of: attributes by operation, its own functions, the consumers it takes."""

    operations: Mapping[str, frozenset[str]]
    functions: frozenset[str]
    min_consumer: int  # the oldest GraphDef version that may load it
    bad_consumers: tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """What a TensorFlow knows: its GraphDef version, and attributes by operation."""

    version: int
    operations: Mapping[str, frozenset[str]]


def unknown_to_prebuilt(saved_model: Path) -> list[str]:
    """Return what TensorFlow 2.15 cannot load of a SavedModel: `Operation`, `Operation.attribute`, or why in words.

    Raises:
        UserError: there is no SavedModel, or it is damaged.
    """
    graph, known = read_graph(saved_model), known_operations()
    problems = []
    if graph.min_consumer > known.version or known.version in graph.bad_consumers:
        problems.append(f"GraphDef version {known.version} (it asks for {graph.min_consumer})")
    for name, attributes in sorted(graph.operations.items()):
        if name in graph.functions:
            continue
        if name not in known.operations:
            problems.append(name)
        problems += sorted(f"{name}.{each}" for each in attributes - known.operations.get(name, attributes))
    return problems


@cache
def known_operations() -> Known:
    """Read the list of TensorFlow 2.15's operations."""
    lines = KNOWN.read_text().splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    rows = [line.split() for line in lines if not line.startswith("#")]
    return Known(int(comments[-1]), {name: frozenset(attributes) for name, *attributes in rows})


def read_graph(saved_model: Path) -> Graph:
    """Read the graph in `saved_model.pb`, without TensorFlow.

    Raises:
        UserError: there is none, or it is damaged.
    """
    try:
        content = (saved_model / "saved_model.pb").read_bytes()
        graphs = [part for meta in _all(content, 2) for part in _all(meta, 2)]  # SavedModel.meta_graphs, .graph_def
        functions = [each for graph in graphs for library in _all(graph, 2) for each in _all(library, 1)]
        nodes = [node for graph in graphs for node in _all(graph, 1)]
        nodes += [node for function in functions for node in _all(function, 3)]
        versions = [version for graph in graphs for version in _all(graph, 4)]
        names = frozenset(_text(_all(function, 1)[0], 1) for function in functions)
        return Graph(_operations(nodes), names, *_consumers(versions))
    except FileNotFoundError:
        raise UserError(f"No SavedModel at '{saved_model}'. Run: invoke export") from None
    except (ValueError, IndexError) as error:
        raise UserError(
            f"The SavedModel at '{saved_model}' cannot be read: saved_model.pb {error}. Run: invoke export"
        ) from None


def _operations(nodes: list[bytes]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for node in nodes:
        operation = _text(node, 2)
        found[operation] = found.get(operation, frozenset()) | frozenset(_attributes(node))
    return found


def _attributes(node: bytes) -> Iterator[str]:
    """Yield a node's attributes; those that begin with _ are notes that every TensorFlow passes over."""
    for attribute in _all(node, 5):
        name = _text(attribute, 1)
        if not name.startswith("_"):
            yield name


def _consumers(versions: list[bytes]) -> tuple[int, tuple[int, ...]]:
    low = [each for version in versions for value in _all(version, 2) for each in _numbers(value)]
    bad = [each for version in versions for value in _all(version, 3) for each in _numbers(value)]
    return max(low, default=0), tuple(bad)


def _numbers(packed: bytes) -> list[int]:
    found, position = [], 0
    while position < len(packed):
        value, position = varint(packed, position)
        found.append(value)
    return found


def _all(message: bytes, number: int) -> list[bytes]:
    return [value for found, value in fields(message) if found == number]


def _text(message: bytes, number: int) -> str:
    return _all(message, number)[0].decode()
