"""The emulator's own reading of the discovery documents, walked by tests."""

from collections.abc import Iterator

from infra.emulator.discovery import Method, Node


def methods(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str, Method]]:
    """Walk a document's tree: HTTP verb, path, custom verb and method."""
    for (verb, custom), method in node.methods.items():
        yield verb, "/".join(path), custom, method
    for branch, child in node.branches.items():
        yield from methods(child, (*path, branch))
