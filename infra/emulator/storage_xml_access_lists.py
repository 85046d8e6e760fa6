"""The XML API's access lists, `?acl` on a bucket or an object: the JSON API's entries in this API's words.

Teams of a project, which the service names by an id without a meaning, are groups here whose id is their entity.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from infra.emulator import buckets, storage_objects
from infra.emulator.access_entries import OWNERS
from infra.emulator.calls import Call
from infra.emulator.errors import invalid
from infra.emulator.object_access_lists import owner_of
from infra.emulator.objects import require_object
from infra.emulator.resources import Json
from infra.emulator.storage_access_lists import list_entries
from infra.emulator.storage_conditions import integer

PERMISSIONS = {"OWNER": "FULL_CONTROL", "WRITER": "WRITE", "READER": "READ"}
ROLES = {permission: role for role, permission in PERMISSIONS.items()}
EVERYBODY = {"allUsers": "AllUsers", "allAuthenticatedUsers": "AllAuthenticatedUsers"}
# Kinds of scopes: the element that names one, and how its entity begins.
SCOPES = {
    "UserByEmail": ("EmailAddress", "user-"),
    "GroupByEmail": ("EmailAddress", "group-"),
    "GroupByDomain": ("Domain", "domain-"),
    "UserById": ("ID", "user-"),
    "GroupById": ("ID", ""),
}


def read_list(call: Call) -> str:
    """Return a list as XML. Raises ApiError 404, and 400 where access is uniform."""
    kind = "objectAccessControls" if call.path.get("object") else "bucketAccessControls"
    answer = list_entries(replace(call, method=f"storage.{kind}.list", query=_plain(call.query)))
    items = answer.get("items", []) if isinstance(answer, dict) else []
    owner = f"<Owner><ID>{escape(_owner(call))}</ID></Owner>"
    entries = "".join(_entry(item["entity"], item["role"]) for item in items)
    return f"<AccessControlList>{owner}<Entries>{entries}</Entries></AccessControlList>"


def write_list(call: Call, body: bytes, predefined: str) -> None:
    """Replace a list by the body's, or by the one that a header names. Raises ApiError 400, 403, 404, 412."""
    query = {**call.query, **({"predefinedAcl": [predefined]} if predefined else {})}
    sent: Json = {} if predefined and not body.strip() else {"acl": _entries(body)}
    kind, write = ("objects", storage_objects.patch) if call.path.get("object") else ("buckets", buckets.patch)
    write(replace(call, method=f"storage.{kind}.patch", query=query, body=sent))


def _plain(query: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the parameters that choose the object: preconditions are not for reading lists."""
    return {name: values for name, values in query.items() if name == "generation"}


def _owner(call: Call) -> str:
    if not call.path.get("object"):
        return OWNERS
    generation = integer(call.query, "generation")
    return owner_of(require_object(call.cloud, call.path["bucket"], call.path["object"], generation))


def _entry(entity: str, role: str) -> str:
    permission = f"<Permission>{PERMISSIONS[role]}</Permission>"
    return f"<Entry>{permission}{_scope(entity)}</Entry>"


def _scope(entity: str) -> str:
    if entity in EVERYBODY:
        return f"<Scope type={quoteattr(EVERYBODY[entity])}/>"
    kind, (element, start) = next((kind, told) for kind, told in SCOPES.items() if entity.startswith(told[1]))
    return f"<Scope type={quoteattr(kind)}><{element}>{escape(entity.removeprefix(start))}</{element}></Scope>"


def _entries(body: bytes) -> list[Json]:
    """Read the entries of a document. Raises ApiError 400."""
    with contextlib.suppress(ElementTree.ParseError, ValueError, KeyError):
        root = ElementTree.fromstring(body)  # noqa: S314 - Python's expat refuses entities that blow up
        if _name(root) == "AccessControlList":
            return [_read(entry) for entry in root.iter() if _name(entry) == "Entry"]
    msg = "The XML you provided was not well-formed or did not validate against our published schema."
    raise invalid(msg, reason="MalformedXML")


def _read(entry: ElementTree.Element) -> Json:
    parts = {_name(part): part for part in entry}
    scope = parts["Scope"]
    values = {_name(part): (part.text or "").strip() for part in scope}
    everybody = {kind: entity for entity, kind in EVERYBODY.items()}
    kind = scope.get("type", "")
    element, start = SCOPES.get(kind, ("", ""))
    entity = everybody.get(kind) or start + values[element]
    return {"entity": entity, "role": ROLES[(parts["Permission"].text or "").strip()]}


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
