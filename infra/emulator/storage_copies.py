"""Objects made of objects: copies and renamed ones share the bytes, composed ones join them."""

from collections.abc import Mapping
from dataclasses import replace

from infra.emulator.calls import Call, handles
from infra.emulator.errors import invalid
from infra.emulator.object_access_lists import asked_list
from infra.emulator.objects import (
    Placing,
    check_name,
    commit,
    discarding,
    place,
    require_bucket,
    require_object,
    retire,
)
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import Blob, Checksums, Sums, open_writer, pieces, publish
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Conditions, conditions_of, integer
from infra.emulator.storage_content import open_object
from infra.emulator.storage_customer_keys import FIELD, OWN, SOURCE, check_key, sent_key
from infra.emulator.storage_holds import check_unprotected
from infra.emulator.storage_projections import shown_object
from infra.emulator.storage_resource import WRITABLE

MOST_SOURCES = 32  # objects that one compose joins


@handles("storage.objects.copy")
def copy(call: Call) -> Json:
    """Copy an object; a body with metadata replaces the source's."""
    return shown_object(call, copied(call), unnamed=bool(call.body.get("acl")))


@handles("storage.objects.move")
def move(call: Call) -> Json:
    """Rename an object inside of its bucket, in one step."""
    cloud, bucket = call.cloud, call.path["bucket"]
    way = {"sourceBucket": bucket, "destinationBucket": bucket, **call.path}
    with discarding(cloud) as freed, cloud.resources.transaction():
        home = require_bucket(cloud, bucket)
        source = require_object(cloud, bucket, call.path["sourceObject"])
        if source.name == call.path["destinationObject"]:
            msg = "Source and destination of a move are the same object."
            raise invalid(msg, reason="invalid")
        check_unprotected(cloud, home, source, by_name=True)
        made = copied(replace(call, path=way, headers=_with_source_key(call.headers)))
        freed.extend(retire(cloud, home, source))
    return shown_object(call, made)


@handles("storage.objects.compose")
def compose(call: Call) -> Json:
    """Join up to 32 objects of a bucket into one."""
    bucket, name = call.path["destinationBucket"], call.path["destinationObject"]
    check_name(name)
    require_bucket(call.cloud, bucket)
    sources = call.body.get("sourceObjects") or []
    if not 0 < len(sources) <= MOST_SOURCES:
        msg = f"The number of source components provided ({len(sources)}) is not between 1 and {MOST_SOURCES}"
        raise invalid(msg, reason="invalid")
    writer = open_writer(call.cloud.state, checksums=Checksums(md5=None))
    try:
        count = 0
        for source in sources:
            found, file = open_object(call.cloud, bucket, source.get("name", ""), _generation(source))
            with file:
                check_key(found, call.headers)
                _expected(source).check(found)
                for data in pieces(file):
                    writer.write(data)
            count += int(found.body.get("componentCount", 1))
        blob = publish(call.cloud.state, writer)
    finally:
        writer.discard()
    sent = call.body.get("destination") or {}
    asked = asked_list(call.cloud, call.query, sent, call.headers)
    fields = {**sent, **asked, "componentCount": count, FIELD: sent_key(call.headers)}
    made = commit(call.cloud, bucket, name, blob, fields, conditions_of(call.query, headers=call.headers))
    return shown_object(call, made, unnamed=bool(sent.get("acl")))


def copied(call: Call) -> StoredObject:
    """Make the copy that a call asks for, under its preconditions."""
    cloud, path = call.cloud, call.path
    check_name(path["destinationObject"])
    conditions, generation = conditions_of(call.query, headers=call.headers), integer(call.query, "sourceGeneration")
    with discarding(cloud) as freed, cloud.resources.transaction():
        source = require_object(cloud, path["sourceBucket"], path["sourceObject"], generation)
        conditions_of(call.query, "ifSource").check(source)
        check_key(source, call.headers, SOURCE)
        asked = asked_list(cloud, call.query, call.body, call.headers)
        fields = {**copied_fields(source, call.body), **asked, FIELD: sent_key(call.headers)}
        to = Placing(cloud, path["destinationBucket"], path["destinationObject"], fields, conditions)
        sums = Sums(source.body.get("md5Hash", ""), source.body["crc32c"])
        blob = Blob(source.blob, source.path, source.size, sums)
        return place(to, blob, freed)


def copied_fields(source: StoredObject, body: Json) -> Json:
    """Return a copy's metadata: the body's where it has any beside a storage class, else the source's."""
    sent = {name: body[name] for name in WRITABLE if body.get(name) is not None}
    kept = {} if set(sent) - {"storageClass"} else {n: v for n, v in source.body.items() if n in WRITABLE}
    kept = {
        name: value for name, value in kept.items() if name not in {"storageClass", "temporaryHold", "eventBasedHold"}
    }
    count = {"componentCount": source.body["componentCount"]} if "componentCount" in source.body else {}
    return {**kept, **sent, **count}


def _with_source_key(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of a move, whose one key is that of the source too."""
    return {**headers, **{name.replace(OWN, SOURCE): text for name, text in headers.items() if name.startswith(OWN)}}


def _generation(source: Json) -> int | None:
    return int(source["generation"]) if source.get("generation") else None


def _expected(source: Json) -> Conditions:
    expected = (source.get("objectPreconditions") or {}).get("ifGenerationMatch")
    return Conditions(generation=None if expected is None else int(expected))
