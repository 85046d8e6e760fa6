"""What a request means: its discovery method and path parameters, also where it comes by storage's own paths."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from infra.emulator.dispatch import find, is_api
from infra.emulator.errors import ApiError

OBJECT = re.compile(r"/(?:download/)?storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>.+)")
UPLOAD = re.compile(r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o")
XML = re.compile(r"/(?P<bucket>[^/_][^/]*)(?:/(?P<object>.*))?", re.DOTALL)
XML_METHODS = {"GET": "get", "HEAD": "get", "PUT": "insert", "POST": "insert", "DELETE": "delete"}


@dataclass(frozen=True)
class Meaning:
    """A method and the parameters of its path; no method where a request means none."""

    method: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    xml: bool = False  # refusals go out as XML


@lru_cache(maxsize=4096)
def meaning(verb: str, path: str, *, media: bool = False) -> Meaning:
    """Return what a request means, from its percent-encoded path and whether it asks for `alt=media`."""
    if found := (OBJECT if media or path.startswith("/download/") else UPLOAD).fullmatch(path):
        return Meaning("storage.objects.get" if "object" in found.groupdict() else "storage.objects.insert", _of(found))
    if is_api(path):
        try:
            (method, parameters), _ = find(verb, path)
        except ApiError:
            return Meaning()
        return Meaning(method.id, parameters)
    found = None if path.startswith(("/batch/", "/healthz", "/_local")) else XML.fullmatch(path)
    if not found or verb not in XML_METHODS or path == "/":
        return Meaning()
    kind = f"objects.{XML_METHODS[verb]}" if found["object"] or verb == "POST" else "objects.list"
    return Meaning(f"storage.{kind}", _of(found), xml=True)


def _of(found: re.Match[str]) -> Mapping[str, str]:
    return {name: unquote(value) for name, value in found.groupdict().items() if value}
