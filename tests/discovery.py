"""Requests against the discovery documents that google-api-python-client ships: would Google know what is sent?"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR

SYSTEM_PARAMETERS = {"alt"}


class Recorder(httplib2.Http):  # type: ignore[misc]  # httplib2 publishes no types
    """Keeps every request and answers all of them with one object."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, uri: str, method: str = "GET", body: Any = None, **_: Any) -> tuple[httplib2.Response, bytes]:
        """Take a request."""
        self.sent.append((method, uri, json.loads(body) if body else {}))
        return httplib2.Response({"status": "200"}), json.dumps(self.answer).encode()


@lru_cache
def document(name: str) -> dict[str, Any]:
    """Return a discovery document, such as `aiplatform.v1`."""
    with open(f"{DISCOVERY_DOC_DIR}/{name}.json", encoding="utf-8") as file:  # noqa: PTH123  # a text path
        found: dict[str, Any] = json.load(file)
        return found


def check_request(name: str, method: str, uri: str, body: dict[str, Any]) -> str:
    """Return the id of the method that a request calls; assert that path, parameters and body are as documented."""
    parts = urlsplit(uri)
    version = document(name)["version"]
    path = unquote(parts.path).partition(f"/{version}/")[2]
    # the first generation's documents (storage) have the version before their paths, not in them
    paths = (path, f"{version}/{path}")
    fitting = [found for found in methods(document(name)) if any(fits(found, method, each) for each in paths)]
    assert fitting, f"no method for {method} {path}"
    found = max(fitting, key=lambda found: len(found["path"]))  # `{+name}` alone also takes NAME:deleteVersion
    unknown = {key for key, _ in parse_qsl(parts.query)} - set(found["parameters"]) - SYSTEM_PARAMETERS
    assert not unknown, f"{found['id']} has no parameters {unknown}"
    if "request" in found:
        check_value(document(name)["schemas"], found["request"], body, found["id"])
    else:
        assert not body, f"{found['id']} takes no body"
    return str(found["id"])


def methods(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk all methods of a document."""
    yield from node.get("methods", {}).values()
    for child in node.get("resources", {}).values():
        yield from methods(child)


def fits(method: dict[str, Any], verb: str, path: str) -> bool:
    """Say whether a method has this verb and, with the patterns of its parameters, this path."""
    pattern = re.sub(
        r"\\{(?:\\\+)?(\w+)\\}",
        lambda found: method["parameters"][found[1]].get("pattern", "[^/]+").strip("^$"),
        re.escape(method["path"]),
    )
    return verb == method["httpMethod"] and re.fullmatch(pattern, path) is not None


def check_value(schemas: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """Assert that a value has only documented fields, of documented types, none that only Google sets."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    kind = schema.get("type")
    assert not schema.get("readOnly"), f"{where} is Google's to set"
    if "enum" in schema:
        assert value in schema["enum"], where
    if kind == "object" and "properties" in schema:
        for key, item in value.items():
            assert key in schema["properties"], f"{where}.{key} is not documented"
            check_value(schemas, schema["properties"][key], item, f"{where}.{key}")
    elif kind == "object":
        for key, item in value.items():
            check_value(schemas, schema.get("additionalProperties", {}), item, f"{where}[{key}]")
    elif kind == "array":
        for item in value:
            check_value(schemas, schema["items"], item, f"{where}[]")
    elif kind in PYTHON_TYPES:
        assert type(value) is PYTHON_TYPES[kind], f"{where} is {value!r}, not a {kind}"


PYTHON_TYPES = {"string": str, "integer": int, "boolean": bool}
