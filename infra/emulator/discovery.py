"""Google's discovery documents -> which method an address means, and the schema of its request.

The documents are those that google-api-python-client ships; each is read when its API is first called.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

Json = dict[str, Any]

# The APIs that have an address here. What has no handler yet answers 501 instead of 404.
VERSIONS = {
    "aiplatform": ("v1", "v1beta1"),
    "artifactregistry": ("v1",),
    "cloudbuild": ("v1",),
    "cloudkms": ("v1",),
    "cloudresourcemanager": ("v1", "v3"),
    "compute": ("v1", "beta"),
    "iam": ("v1",),
    "iamcredentials": ("v1",),
    "ml": ("v1",),
    "notebooks": ("v1", "v2"),
    "serviceusage": ("v1", "v1beta1"),
    "storage": ("v1",),
}
REST = "**"  # a tree's branch that takes every segment left: patterns that end in `.*`


@dataclass(frozen=True)
class Method:
    """One method of an API: its discovery id, where its path holds parameters, and its request's schema."""

    id: str
    template: str
    parameters: Json
    request: str
    response: str = ""  # the schema of its answer


@dataclass
class Node:
    """A segment of a path: what may follow, and the methods that end here by (HTTP verb, custom verb)."""

    branches: dict[str, "Node"] = field(default_factory=dict)
    methods: dict[tuple[str, str], Method] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """One version of one API."""

    api: str
    version: str
    schemas: Json = field(repr=False)
    system_parameters: frozenset[str] = field(repr=False)
    root: Node = field(repr=False)
    locations: frozenset[str] = frozenset()  # where the API has endpoints of its own

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """Return the method that a percent-encoded path below `/<api>/<version>/` means, and its path parameters."""
        segments = path.strip("/").split("/")
        last, colon, custom = segments[-1].rpartition(":")
        found = _walk(self.root, [*segments[:-1], last], (verb, custom)) if colon else None
        found = found or _walk(self.root, segments, (verb, ""))
        values = _parameters(found.template, path.strip("/")) if found else None
        return (found, values) if found and values is not None else None


def serves(api: str, version: str) -> bool:
    """Tell whether `/<api>/<version>/` is an API's address."""
    return version in VERSIONS.get(api, ())


def is_raw(document: Document, method: Method) -> bool:
    """Tell whether a method takes its body as it comes: the documents call it HttpBody, the wire carries anything."""
    if method.request.endswith("HttpBody"):
        return True
    properties = document.schemas.get(method.request, {}).get("properties", {})
    return any(str(schema.get("$ref", "")).endswith("HttpBody") for schema in properties.values())


_loading = threading.Lock()


def document(api: str, version: str) -> Document:
    """Return the document of a served API; the first call reads it (aiplatform: 0.1 s)."""
    with _loading:
        return _load(api, version)


@cache
def _load(api: str, version: str) -> Document:
    content = orjson.loads((_folder() / f"{api}.{version}.json").read_bytes())
    root = Node()
    for method in _methods(content):
        _plant(root, method)
    parameters, locations = content.get("parameters", {}), [one["location"] for one in content.get("endpoints", [])]
    return Document(api, version, content.get("schemas", {}), frozenset(parameters), root, frozenset(locations))


def _folder() -> Path:
    spec = find_spec("googleapiclient.discovery_cache")
    locations = spec.submodule_search_locations if spec else None
    if not locations:
        msg = "google-api-python-client is not installed. Run: uv sync"
        raise ModuleNotFoundError(msg)
    return Path(locations[0]) / "documents"


def _methods(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _methods(child)


def _plant(root: Node, method: Json) -> None:
    """Put a method into the tree of paths, by its flat path: one segment for each variable."""
    path, _, custom = _unversioned(method.get("flatPath") or method["path"]).partition(":")
    segments = path.split("/")
    node = root
    for position, segment in enumerate(segments):
        branch = segment
        if segment.startswith("{"):
            branch = REST if position == len(segments) - 1 and _takes_rest(method) else "{}"
        node = node.branches.setdefault(branch, Node())
    request = method.get("request", {}).get("$ref", "")
    response = method.get("response", {}).get("$ref", "")
    planted = Method(method["id"], _unversioned(method["path"]), method.get("parameters", {}), request, response)
    node.methods.setdefault((method["httpMethod"], custom), planted)


def _unversioned(path: str) -> str:
    return re.sub(r"^v\d\w*/", "", path)


def _takes_rest(method: Json) -> bool:
    patterns = (method["parameters"][name].get("pattern", "") for name in method.get("parameterOrder", []))
    return any(pattern.endswith(".*$") for pattern in patterns)


def _walk(node: Node, segments: list[str], verb: tuple[str, str]) -> Method | None:
    if not segments:
        return node.methods.get(verb)
    for branch in (segments[0], "{}"):
        if branch in node.branches and (found := _walk(node.branches[branch], segments[1:], verb)):
            return found
    rest = node.branches.get(REST)
    return rest.methods.get(verb) if rest else None


def _parameters(template: str, path: str) -> dict[str, str] | None:
    expression, names = _expression(template)
    values = expression.fullmatch(path)
    return dict(zip(names, map(unquote, values.groups()), strict=True)) if values else None


@cache
def _expression(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Compile `{+name}:predict` into an expression and the names of its groups."""
    parts = re.split(r"\{(\+?[^}]+)\}", template)
    groups = ["(.+)" if name.startswith("+") else "([^/]+)" for name in parts[1::2]]
    literals = [re.escape(part) for part in parts[::2]]
    expression = literals[0] + "".join(group + after for group, after in zip(groups, literals[1:], strict=True))
    return re.compile(expression), tuple(name.removeprefix("+") for name in parts[1::2])
