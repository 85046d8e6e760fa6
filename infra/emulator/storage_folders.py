"""Folders of buckets with a hierarchical namespace: made, read, listed, renamed with all that is in them, removed."""

from starlette.responses import Response

from infra.emulator import folder_records as records
from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Call, handles
from infra.emulator.errors import already_exists, invalid, not_found
from infra.emulator.generic import page
from infra.emulator.objects import discarding, require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import EVERY_VERSION, StoredObject
from infra.emulator.storage_conditions import condition_not_met, flag, integer
from infra.emulator.storage_holds import check_unprotected
from infra.emulator.storage_operations import finished_in
from infra.emulator.storage_resource import base_of
from infra.emulator.storage_soft_delete import bury

NOT_HIERARCHICAL = "The bucket does not have hierarchical namespace enabled."
NO_PARENT = "The parent folder of {!r} does not exist. Create it first, or ask for recursive=true."


@handles("storage.folders.insert")
def insert(call: Call) -> Json:
    """Make a folder in one that is there; with `recursive` its parents too."""
    bucket = _bucket(call)
    name = _name(str(call.body.get("name") or ""))
    with call.resources.transaction():
        _make_room(call, bucket["name"], name, recursive=flag(call.query, "recursive"))
        if not records.add(call.cloud, bucket["name"], name):
            raise already_exists("The folder you tried to create already exists.", reason="conflict")
    return _shown(call, _found(call, name))


@handles("storage.folders.get")
def get(call: Call) -> Json | Response:
    """Return a folder; 304 where the caller has this metageneration."""
    body = _found(call, call.path["folder"])
    if _is_known(call, body):
        return Response(status_code=304)
    _check(call, body)
    return _shown(call, body)


@handles("storage.folders.list")
def list_folders(call: Call) -> Json:
    """List a bucket's folders by name; with the delimiter only the prefix itself and what is one level below it."""
    bucket, prefix, delimiter = _bucket(call), call.parameter("prefix"), call.parameter("delimiter")
    if delimiter not in {"", "/"} or (prefix and not prefix.endswith("/")):
        msg = "The only delimiter of folders is '/', and a prefix of folders ends with it."
        raise invalid(msg, reason="invalid")
    start, end = call.parameter("startOffset"), call.parameter("endOffset")
    found = [
        _shown(call, body)
        for body in records.below(call.cloud, bucket["name"], prefix)
        if body["name"] >= start
        and (not end or body["name"] < end)
        and (not delimiter or body["name"].removeprefix(prefix).count("/") < 2)
    ]
    return {"kind": "storage#folders", **page(call, found, "items")}


@handles("storage.folders.delete")
def delete(call: Call) -> None:
    """Remove an empty folder."""
    with call.resources.transaction():
        body = _checked(call, call.path["folder"])
        name = body["name"]
        if len(records.below(call.cloud, body["bucket"], name)) > 1 or _contents(call, body["bucket"], name):
            raise records.conflict("The folder you tried to delete is not empty.")
        records.forget(call.cloud, body["bucket"], name)


@handles("storage.folders.deleteRecursive")
def delete_recursive(call: Call) -> Json:
    """Remove a folder with all that is in it: all of it or, where a hold protects something, nothing."""
    with discarding(call.cloud) as freed, call.resources.transaction():
        body = _checked(call, call.path["folder"])
        home = _bucket(call)
        for found in _contents(call, home["name"], body["name"]):
            check_unprotected(call.cloud, home, found)
            freed.extend(bury(call.cloud, home, found))
        records.forget(call.cloud, home["name"], body["name"])
    return finished_in(call, home["name"], "delete_folder_recursive")


@handles("storage.folders.rename")
def rename(call: Call) -> Json:
    """Give a folder another name, with all that is in it, in one step; generations stay."""
    source, target = call.path["sourceFolder"], _name(call.path["destinationFolder"])
    with call.resources.transaction():
        body = _checked(call, source, "ifSource")
        home = _bucket(call)
        if target.startswith(body["name"]):
            raise invalid("A folder cannot be renamed to itself or moved into itself.", reason="invalid")
        _make_room(call, home["name"], target, recursive=False)
        if records.find(call.cloud, home["name"], target) or _contents(call, home["name"], target):
            raise records.conflict("The destination folder exists.")
        _move(call, home, body["name"], target)
    return finished_in(call, home["name"], "rename_folder")


def _move(call: Call, home: Json, source: str, target: str) -> None:
    for found in _contents(call, home["name"], source):
        check_unprotected(call.cloud, home, found)
        catalog.rename(call.cloud, found, target + found.name.removeprefix(source))
    for body in records.below(call.cloud, home["name"], source):
        records.add(call.cloud, home["name"], target + body["name"].removeprefix(source))
    records.forget(call.cloud, home["name"], source)


def _contents(call: Call, bucket: str, name: str) -> list[StoredObject]:
    """Return the objects in a folder; one that has its very name, which other clients write for a folder, is it."""
    start = name.encode()
    every = catalog.scan(call.cloud, bucket, (start, 0), catalog.successor(start), EVERY_VERSION)
    return list(every)


def _make_room(call: Call, bucket: str, name: str, *, recursive: bool) -> None:
    """Make the parents of a folder, or raise 409 where there are none."""
    for parent in records.parents(name):
        if recursive:
            records.add(call.cloud, bucket, parent)
        elif records.find(call.cloud, bucket, parent) is None:
            raise records.conflict(NO_PARENT.format(name))


def _name(text: str) -> str:
    name = text if text.endswith("/") else f"{text}/"
    if name.startswith("/") or "//" in name or len(name.encode()) > records.LONGEST:
        msg = f"Invalid folder name {text!r}: relative, without empty parts, of at most {records.LONGEST} bytes."
        raise invalid(msg, reason="invalid")
    return name


def _bucket(call: Call) -> Json:
    """Return the bucket of a call. Raises ApiError 404, and 409 where it has no folders."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    if not records.is_hierarchical(bucket):
        raise records.conflict(NOT_HIERARCHICAL)
    return bucket


def _found(call: Call, name: str) -> Json:
    body = records.find(call.cloud, _bucket(call)["name"], name if name.endswith("/") else f"{name}/")
    if body is None:
        raise not_found("The specified folder does not exist.", reason="notFound")
    return body


def _checked(call: Call, name: str, prefix: str = "if") -> Json:
    """Return a folder under the preconditions of a change."""
    body = _found(call, name)
    _check(call, body, prefix)
    if _is_known(call, body, prefix):
        raise condition_not_met()
    return body


def _check(call: Call, body: Json, prefix: str = "if") -> None:
    if integer(call.query, f"{prefix}MetagenerationMatch") not in {None, int(body["metageneration"])}:
        raise condition_not_met()


def _is_known(call: Call, body: Json, prefix: str = "if") -> bool:
    return integer(call.query, f"{prefix}MetagenerationNotMatch") == int(body["metageneration"])


def _shown(call: Call, body: Json) -> Json:
    place = f"{body['bucket']}/folders/{body['name']}"
    about = {"kind": "storage#folder", "id": f"{body['bucket']}/{body['name']}"}
    return {**about, "selfLink": f"{base_of(call)}/storage/v1/b/{place}", **body}
