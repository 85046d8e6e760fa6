"""Objects of the local Cloud Storage for the parts that read and write them here, without HTTP: jobs and models.

Every new generation, uploaded, copied or put by a job, enters through `commit`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.emulator import clock
from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud, on_start
from infra.emulator.errors import invalid, not_found
from infra.emulator.folder_records import add_parents
from infra.emulator.object_access_lists import new_list
from infra.emulator.resources import Json
from infra.emulator.storage_blobs import Blob, checksums_of, link_blob
from infra.emulator.storage_catalog import State, StoredObject
from infra.emulator.storage_conditions import Conditions
from infra.emulator.storage_contexts import stamped
from infra.emulator.storage_customer_keys import FIELD
from infra.emulator.storage_holds import check_retention, check_unprotected
from infra.emulator.storage_metadata_rules import checked_metadata
from infra.emulator.storage_resource import WRITABLE, merged, object_resource
from infra.emulator.storage_sessions import recover
from infra.emulator.storage_soft_delete import bury

BUCKETS = "storage.buckets"  # the kind of their rows among the resources
ANY = Conditions()


def parse_gs_uri(uri: str) -> tuple[str, str]:
    """Split `gs://bucket/name` into bucket and name (empty where the URI names the bucket itself).

    Raises:
        ApiError: 400, the text is no such URI.
    """
    found = re.fullmatch(r"gs://([^/]+)(?:/(.*))?", uri, re.DOTALL)
    if not found:
        msg = f"Invalid Cloud Storage URI {uri!r}: expected gs://bucket/name."
        raise invalid(msg)
    return found[1], found[2] or ""


def find_bucket(cloud: Cloud, name: str) -> Json | None:
    """Return a bucket's body, or None."""
    return cloud.resources.get(BUCKETS, name)


def require_bucket(cloud: Cloud, name: str) -> Json:
    """Return a bucket's body.

    Raises:
        ApiError: 404, there is none.
    """
    body = find_bucket(cloud, name)
    if body is None:
        msg = "The specified bucket does not exist."
        raise not_found(msg, reason="notFound")
    return body


def bucket_exists(cloud: Cloud, bucket: str) -> bool:
    """Tell whether a bucket is there."""
    return find_bucket(cloud, bucket) is not None


def stored_objects(cloud: Cloud, bucket: str, prefix: str = "") -> list[StoredObject]:
    """Return the live objects of a bucket whose names start with `prefix`, by name."""
    start = prefix.encode()
    return list(catalog.scan(cloud, bucket, (start, 0), catalog.successor(start)))


def require_object(
    cloud: Cloud, bucket: str, name: str, generation: int | None = None, *, soft_deleted: bool = False
) -> StoredObject:
    """Return an object's live generation, or the one that is named (among the soft-deleted ones, where asked).

    Raises:
        ApiError: 404, there is no such bucket or object.
    """
    require_bucket(cloud, bucket)
    found = catalog.find(cloud, bucket, name, generation, soft_deleted=soft_deleted)
    if found is None:
        msg = f"No such object: {bucket}/{name}"
        raise not_found(msg, reason="notFound")
    return found


def add_file(cloud: Cloud, bucket: str, name: str, source: Path, content_type: str = "") -> Json:
    """Put a finished local file into a bucket; its bytes are shared, so the file must not change afterwards."""
    home = require_bucket(cloud, bucket)
    check_name(name)
    blob = link_blob(cloud.state, source, checksums_of(source))
    found = commit(cloud, bucket, name, blob, {"contentType": content_type} if content_type else {})
    return object_resource(found, cloud.url, home)


def check_name(name: str) -> None:
    """Raise 400 where an object cannot have this name."""
    if not name:
        msg = "Required parameter: name"
        raise invalid(msg, reason="required")
    if re.search(r"[\r\n\ud800-\udfff]", name):
        msg = f"Disallowed unicode characters present in object name {name!r}"
        raise invalid(msg, reason="invalid")
    if len(name.encode()) > 1024:
        msg = "The specified object name is too long: at most 1024 bytes of UTF-8."
        raise invalid(msg, reason="invalid")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        msg = f"The specified object name is not valid: {name!r}"
        raise invalid(msg, reason="invalid")


@dataclass(frozen=True)
class Placing:
    """Where a new generation goes, with which metadata, and under which preconditions."""

    cloud: Cloud
    bucket: str
    name: str
    fields: Json
    conditions: Conditions = ANY


def commit(
    cloud: Cloud, bucket: str, name: str, blob: Blob, fields: Json, conditions: Conditions = ANY
) -> StoredObject:
    """Make a blob the live generation of a name, where the preconditions hold; else nothing is left of it."""
    with discarding(cloud) as freed, cloud.resources.transaction():
        freed.append(blob.key)  # discarded only where no row names it: after a refusal
        return place(Placing(cloud, bucket, name, fields, conditions), blob, freed)


def place(placing: Placing, blob: Blob, freed: list[str]) -> StoredObject:
    """Make a blob a live generation inside of the caller's transaction; note the blobs that this frees."""
    cloud, bucket, name = placing.cloud, placing.bucket, placing.name
    home = require_bucket(cloud, bucket)
    current = catalog.find(cloud, bucket, name)
    placing.conditions.check(current)
    generation = max(
        int(clock.now(cloud.resources).timestamp() * 1e6), catalog.last_generation(cloud, bucket, name) + 1
    )
    if current:
        check_unprotected(cloud, home, current, by_name=True)
        freed += retire(cloud, home, current)
    body = {"generation": str(generation), **_new_body(cloud, home, blob, placing.fields)}
    add_parents(cloud, home, name)
    return catalog.insert(cloud, bucket, name, blob, body)


@contextmanager
def discarding(cloud: Cloud) -> Iterator[list[str]]:
    """Collect the blobs that a transaction frees, and remove their files when it is over."""
    freed: list[str] = []
    try:
        yield freed
    finally:
        for key in freed:
            catalog.discard_blob(cloud, key)


def retire(cloud: Cloud, bucket: Json, current: StoredObject) -> list[str]:
    """Make a live generation noncurrent where the bucket keeps versions, else bury it; return the blobs freed."""
    if bucket.get("versioning", {}).get("enabled"):
        catalog.update(cloud, current, {**current.body, "timeDeleted": cloud.now()}, State.NONCURRENT)
        return []
    return bury(cloud, bucket, current)


def _new_body(cloud: Cloud, bucket: Json, blob: Blob, fields: Json) -> Json:
    """Return the stored part of a new generation's resource."""
    now = cloud.now()
    sent = merged({}, fields)
    written = checked_metadata({name: sent[name] for name in WRITABLE if sent.get(name, {}) != {}})
    check_retention(cloud, bucket, written.get("retention") or {})
    if bucket.get("defaultEventBasedHold"):
        written.setdefault("eventBasedHold", True)
    sums = {"md5Hash": blob.sums.md5, "crc32c": blob.sums.crc32c}
    if fields.get("componentCount"):  # composed: the service keeps no MD5 of the whole
        sums = {"crc32c": blob.sums.crc32c, "componentCount": fields["componentCount"]}
    if fields.get(FIELD):
        sums |= {FIELD: fields[FIELD]}
    body = {
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": bucket["storageClass"],
        **sums,
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
        **written,
        **new_list(bucket, fields),
    }
    return stamped({}, body, now)


@on_start
def prepare(cloud: Cloud) -> None:
    """Make the tables and clean up after a crash: before any job puts files, which is why it stands here."""
    recover(cloud)
