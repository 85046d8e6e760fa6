"""What a call needs in strict mode: the permission of its method, and those of what it reads or replaces besides."""

from collections.abc import Iterator, Mapping

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.methods import Meaning
from infra.emulator.permissions import Access, permission_of, project_of

READS_SOURCE = {"storage.objects.copy", "storage.objects.rewrite"}
WRITES = {*READS_SOURCE, "storage.objects.insert", "storage.objects.compose", "storage.objects.move"}


def accesses(cloud: Cloud, meant: Meaning, project: str, query: Mapping[str, str]) -> Iterator[Access]:
    """Yield each permission that a call needs, with what it needs it on."""
    permission, path = permission_of(meant.method), meant.path
    if not permission:
        return
    bucket = path.get("bucket") or path.get("destinationBucket", "")
    if meant.method not in WRITES:
        prefix = query.get("prefix", "") if permission == "storage.objects.list" else None
        resource = "" if bucket else next(iter(path.values()), "").partition("@")[0]
        yield Access(permission, project, bucket, path.get("object", ""), prefix, resource)
        return
    yield from _source(cloud, meant, project, bucket)
    name = path.get("object") or path.get("destinationObject") or query.get("name")
    yield Access("storage.objects.create", project, bucket, name)
    if name and catalog.find(cloud, bucket, name):
        yield Access("storage.objects.delete", project, bucket, name)


def _source(cloud: Cloud, meant: Meaning, project: str, bucket: str) -> Iterator[Access]:
    path = meant.path
    if meant.method in READS_SOURCE:
        theirs = project_of(cloud, meant.method, {"bucket": path["sourceBucket"]}, {})
        yield Access("storage.objects.get", theirs, path["sourceBucket"], path["sourceObject"])
    elif meant.method == "storage.objects.move":
        yield Access("storage.objects.move", project, bucket, path["sourceObject"])
    elif meant.method == "storage.objects.compose":
        yield Access("storage.objects.get", project, bucket, None)
