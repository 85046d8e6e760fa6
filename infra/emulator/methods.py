"""What a request means: its discovery method and path parameters, also where it comes by storage's own paths.

In the order of the server's routes and by the path as they see it: what strict mode asks about, and what a bucket opens
to pages of other origins, is what is then done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from starlette.types import Scope

from infra.emulator.dispatch import find, is_api
from infra.emulator.errors import ApiError
from infra.emulator.storage_signatures import is_signed

RESOURCE = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>.+)", re.DOTALL)
DOWNLOAD = re.compile(r"/download/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>.+)", re.DOTALL)
UPLOAD = re.compile(r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o")
XML = re.compile(r"/(?P<bucket>[^/_][^/]*)(?:/(?P<object>.*))?", re.DOTALL)
READS, SENDS = frozenset({"GET", "HEAD"}), frozenset({"DELETE", "POST", "PUT"})
OWN = re.compile(r"/(?:healthz|_local(?:/.*)?|batch/storage/v1)", re.DOTALL)
# What XML addresses begin with that begin as other paths do: their buckets open nothing to pages of other origins.
TAKEN = frozenset({"batch", "download", "healthz", "resumable", "storage", "upload"})
OF_BUCKETS = {
    "GET": "objects.list",
    "HEAD": "buckets.get",
    "PUT": "buckets.insert",
    "DELETE": "buckets.delete",
    "POST": "objects.insert",
}
OF_OBJECTS = {
    "GET": "objects.get",
    "HEAD": "objects.get",
    "PUT": "objects.insert",
    "DELETE": "objects.delete",
    "POST": "objects.insert",
}
OF_SETTINGS = {"GET": "buckets.get", "HEAD": "buckets.get", "PUT": "buckets.patch", "DELETE": "buckets.patch"}
OF_LISTS = {"GET": "list", "HEAD": "list", "PUT": "update"}
# Settings of a bucket that the XML API reads by a parameter without a value; lists of objects are none.
SETTINGS = frozenset(
    {"billing", "cors", "encryption", "lifecycle", "location", "logging", "object-lock", "policy", "retention"}
    | {"storageClass", "tagging", "versioning", "website"}
)
COPY = "x-goog-copy-source"
PROJECT = "x-goog-project-id"  # whose buckets the XML API lists and makes


@dataclass(frozen=True)
class Asked:
    """A request as the routes see it: `path` is decoded, `raw` as it came; header names in lower case."""

    verb: str
    path: str
    raw: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Meaning:
    """A method and the parameters of its path; no method where a request means none."""

    method: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    xml: bool = False  # refusals go out as XML
    content: bool = False  # objects' bytes, which a bucket's `cors` rules can open to pages of other origins
    proven: bool = False  # the address itself is the proof: it is signed, or names an upload that was begun


def asked_of(scope: Scope, headers: Mapping[str, str], verb: str = "") -> Asked:
    """Return a request as the routes see it, or as it would be with another verb."""
    query = first_values(scope["query_string"].decode("latin-1"))
    return Asked(verb or scope["method"], scope["path"], scope["raw_path"].decode("latin-1"), query, headers)


def first_values(query: str) -> dict[str, str]:
    """Return a query's parameters; of one that is there twice the first counts, as it does for handlers."""
    return dict(reversed(parse_qsl(query, keep_blank_values=True)))


def meaning(asked: Asked) -> Meaning:
    """Return what a request means."""
    if asked.verb in SENDS and (found := UPLOAD.fullmatch(asked.path)):
        return Meaning("storage.objects.insert", _of(found), content=True, proven="upload_id" in asked.query)
    if asked.verb in READS and (found := _read(asked)):
        return Meaning("storage.objects.get", _of(found), content=True)
    if is_api(asked.path):
        return _of_api(asked)
    return Meaning() if OWN.fullmatch(asked.path) else _of_xml(asked)


def _read(asked: Asked) -> re.Match[str] | None:
    media = asked.query.get("alt") == "media"
    return DOWNLOAD.fullmatch(asked.path) or (RESOURCE.fullmatch(asked.path) if media else None)


def _of_api(asked: Asked) -> Meaning:
    other = asked.headers.get("x-http-method-override", "").upper() if asked.verb == "POST" else ""
    try:
        (method, parameters), _ = find(other or asked.verb, asked.raw)
    except ApiError:
        return Meaning()
    return Meaning(method.id, parameters)


def _of_xml(asked: Asked) -> Meaning:
    if asked.path == "/" and asked.verb in READS:
        return Meaning("storage.buckets.list", {"project": asked.headers.get(PROJECT, "")}, xml=True)
    found = XML.fullmatch(asked.path)
    verbs = _verbs(asked, of_object=bool(found and found["object"]))
    if not found or asked.verb not in verbs:
        return Meaning()
    method, path = f"storage.{verbs[asked.verb]}", _of(found)
    if method.startswith("storage.buckets.") and asked.verb == "PUT":
        path |= {"project": asked.headers.get(PROJECT, "")}
    content = method.startswith("storage.objects.") and path["bucket"] not in TAKEN
    resumed = method == "storage.objects.insert" and _is_resumed(asked.query)
    if asked.verb == "PUT" and COPY in asked.headers and found["object"]:
        return Meaning("storage.objects.copy", _copied(asked.headers[COPY], path), xml=True)
    return Meaning(method, path, xml=True, content=content, proven=resumed or is_signed(asked.query))


def _verbs(asked: Asked, *, of_object: bool) -> Mapping[str, str]:
    """Return which method each verb means for a bucket or an object, by what the query asks for."""
    if "acl" in asked.query:
        kind = "objectAccessControls" if of_object else "bucketAccessControls"
        return {verb: f"{kind}.{word}" for verb, word in OF_LISTS.items()}
    if not of_object:
        return OF_SETTINGS if SETTINGS & asked.query.keys() else OF_BUCKETS
    under_way = asked.query.keys() & {"uploadId", "upload_id"}
    return {**OF_OBJECTS, "DELETE": "objects.insert"} if under_way else OF_OBJECTS


def _is_resumed(query: Mapping[str, str]) -> bool:
    return "upload_id" in query and not query.keys() & {"uploads", "uploadId"}


def _copied(source: str, path: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a copy, whose source a header names."""
    bucket, _, name = unquote(source).lstrip("/").partition("/")
    to = {"destinationBucket": path["bucket"], "destinationObject": path["object"]}
    return {"sourceBucket": bucket, "sourceObject": name, **to}


def _of(found: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in found.groupdict().items() if value}
