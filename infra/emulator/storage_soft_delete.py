"""Soft delete: what is deleted or overwritten stays for the bucket's retention duration, and can come back so long."""

from datetime import timedelta

from infra.emulator import clock
from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import State, StoredObject

DELETED_BUCKETS = "storage.deleted_buckets"  # the kind of soft-deleted buckets, named NAME#GENERATION


def retention(bucket: Json) -> timedelta:
    """Return how long a bucket keeps what was deleted; zero where it keeps nothing."""
    return timedelta(seconds=int(bucket.get("softDeletePolicy", {}).get("retentionDurationSeconds") or 0))


def grave(cloud: Cloud, bucket: Json) -> Json:
    """Return the two times of what is deleted now: since when it is, and from when on it is gone for good."""
    now = clock.now(cloud.resources)
    return {"softDeleteTime": clock.text(now), "hardDeleteTime": clock.text(now + retention(bucket))}


def bury(cloud: Cloud, bucket: Json, found: StoredObject) -> list[str]:
    """Soft-delete a generation, or forget it where the bucket keeps nothing; return the blobs that this frees."""
    if retention(bucket):
        catalog.update(cloud, found, {**found.body, **grave(cloud, bucket)}, State.SOFT_DELETED)
        return []
    catalog.remove(cloud, found)
    return [found.blob]


def bury_bucket(cloud: Cloud, bucket: Json) -> list[str]:
    """Keep a deleted bucket with what is soft-deleted in it, or forget both; return the blobs that this frees.

    Noncurrent generations are soft-deleted with it.
    """
    name = bucket["name"]
    if not retention(bucket):
        return catalog.empty(cloud, name)
    for found in list(catalog.scan(cloud, name, (b"", 0), None, (State.NONCURRENT,))):
        bury(cloud, bucket, found)
    key = grave_of(name, bucket["generation"])
    catalog.rename_bucket(cloud, name, key)
    cloud.resources.put(DELETED_BUCKETS, key, {**bucket, **grave(cloud, bucket)})
    return []


def grave_of(name: str, generation: str | int) -> str:
    """Return the name by which a soft-deleted bucket and its rows are kept; no bucket can be called so."""
    return f"{name}#{generation}"


def purge(cloud: Cloud) -> list[str]:
    """Forget for good what was kept long enough; return the blobs that this frees. Part of the caller's transaction."""
    now, freed = cloud.now(), []
    for key, bucket in cloud.resources.list(DELETED_BUCKETS):
        if bucket["hardDeleteTime"] <= now:
            freed += catalog.empty(cloud, key)
            cloud.resources.delete(DELETED_BUCKETS, key)
    for found in catalog.soft_deleted_until(cloud, now):
        catalog.remove(cloud, found)
        freed.append(found.blob)
    return freed
