"""The XML API's buckets: `GET /` lists a project's, PUT, HEAD and DELETE make, find and remove one."""

import contextlib
from dataclasses import replace
from xml.etree import ElementTree

from infra.emulator import buckets
from infra.emulator.access_entries import OWNERS
from infra.emulator.calls import Call
from infra.emulator.errors import invalid
from infra.emulator.methods import PROJECT
from infra.emulator.projects import remember
from infra.emulator.resources import Json
from infra.emulator.storage_xml_lists import NAMESPACE

MISSING = f"The request needs the header {PROJECT}, which names the project."


def list_buckets(call: Call) -> str:
    """Return the buckets of the project that a header names, by name."""
    project, items, token = _project(call), [], ""
    while True:
        query = {"project": [project], "pageToken": [token]}
        page = buckets.list_buckets(replace(call, method="storage.buckets.list", query=query))
        items += page.get("items", [])
        token = page.get("nextPageToken", "")
        if not token:
            break
    listed = "".join(
        f"<Bucket><Name>{item['name']}</Name><CreationDate>{item['timeCreated']}</CreationDate></Bucket>"
        for item in items
    )
    owner = f"<Owner><ID>{OWNERS}</ID></Owner>"
    content = f"{owner}<Buckets>{listed}</Buckets>"
    return f"<ListAllMyBucketsResult xmlns='{NAMESPACE}'>{content}</ListAllMyBucketsResult>"


def make(call: Call, body: bytes, predefined: str) -> None:
    """Create a bucket with the place and storage class that the body names. Raises ApiError 400, 409."""
    query = {"project": [_project(call)], **({"predefinedAcl": [predefined]} if predefined else {})}
    remember(call.cloud, {}, query)
    sent = {"name": call.path["bucket"], **_settings(body)}
    buckets.insert(replace(call, method="storage.buckets.insert", path={}, query=query, body=sent))


def remove(call: Call) -> None:
    """Delete an empty bucket. Raises ApiError 404, 409, 412."""
    buckets.delete(replace(call, method="storage.buckets.delete"))


def _project(call: Call) -> str:
    project = call.headers.get(PROJECT, "")
    if not project:
        raise invalid(MISSING)
    return project


def _settings(body: bytes) -> Json:
    """Read a CreateBucketConfiguration, which may be missing. Raises ApiError 400."""
    if not body.strip():
        return {}
    names = {"LocationConstraint": "location", "StorageClass": "storageClass"}
    with contextlib.suppress(ElementTree.ParseError, ValueError):
        root = ElementTree.fromstring(body)  # noqa: S314 - Python's expat refuses entities that blow up
        found = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in root}
        if root.tag.rpartition("}")[2] == "CreateBucketConfiguration" and found.keys() <= names.keys():
            return {names[name]: text for name, text in found.items() if text}
    msg = f"The body is no CreateBucketConfiguration of {' and '.join(names)}."
    raise invalid(msg, reason="MalformedXML")
