"""Objects made of objects: copy and rewrite share the bytes, compose joins them."""

from infra.emulator.calls import Call, handles
from infra.emulator.errors import invalid
from infra.emulator.objects import Placing, check_name, commit, discarding, place, require_bucket, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import Blob, Checksums, Sums, open_writer, pieces, publish
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import Conditions, conditions_of, integer
from infra.emulator.storage_content import open_object
from infra.emulator.storage_resource import WRITABLE, base_of, object_resource

MOST_SOURCES = 32  # objects that one compose joins


@handles("storage.objects.copy")
def copy(call: Call) -> Json:
    """Copy an object; a body with metadata replaces the source's."""
    return object_resource(_copied(call), base_of(call))


@handles("storage.objects.rewrite")
def rewrite(call: Call) -> Json:
    """Copy an object in one step, however large: the bytes are shared."""
    made = _copied(call)
    return {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": str(made.size),
        "objectSize": str(made.size),
        "done": True,
        "resource": object_resource(made, base_of(call)),
    }


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
                _expected(source).check(found)
                for data in pieces(file):
                    writer.write(data)
            count += int(found.body.get("componentCount", 1))
        blob = publish(call.cloud.state, writer)
    finally:
        writer.discard()
    fields = {**(call.body.get("destination") or {}), "componentCount": count}
    return object_resource(
        commit(call.cloud, bucket, name, blob, fields, conditions_of(call.query, headers=call.headers)), base_of(call)
    )


def _copied(call: Call) -> StoredObject:
    cloud, path = call.cloud, call.path
    check_name(path["destinationObject"])
    conditions, generation = conditions_of(call.query, headers=call.headers), integer(call.query, "sourceGeneration")
    with discarding(cloud) as freed, cloud.resources.transaction():
        source = require_object(cloud, path["sourceBucket"], path["sourceObject"], generation)
        conditions_of(call.query, "ifSource").check(source)
        fields = copied_fields(source, call.body)
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


def _generation(source: Json) -> int | None:
    return int(source["generation"]) if source.get("generation") else None


def _expected(source: Json) -> Conditions:
    expected = (source.get("objectPreconditions") or {}).get("ifGenerationMatch")
    return Conditions(generation=None if expected is None else int(expected))
