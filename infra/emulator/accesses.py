"""What a call needs in strict mode: the permission of its method, and those of what it reads or replaces besides."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Cloud
from infra.emulator.methods import Meaning
from infra.emulator.permissions import Access, permission_of, project_of

READS_SOURCE = {"storage.objects.copy", "storage.objects.rewrite"}
WRITES = {*READS_SOURCE, "storage.objects.insert", "storage.objects.compose", "storage.objects.move"}
# Access lists, by Google's page "IAM permissions for JSON methods": what is read and changed with them.
LISTS = {"bucketAccessControls": "buckets", "defaultObjectAccessControls": "buckets", "objectAccessControls": "objects"}
READ_LIST = ("get", "getIamPolicy")
CHANGE_LIST = (*READ_LIST, "setIamPolicy", "update")
BULK_RESTORE = ("storage.buckets.restore", "storage.objects.create")
SHOW_LISTS = {f"storage.{kind}.{verb}" for kind in ("buckets", "objects") for verb in ("get", "list")}


def accesses(cloud: Cloud, meant: Meaning, project: str, query: Mapping[str, str]) -> Iterator[Access]:
    """Yield each permission that a call needs, with what it needs it on."""
    permission, path = permission_of(meant.method), meant.path
    if not permission:
        return
    bucket = path.get("bucket") or path.get("destinationBucket", "")
    if permission.split(".")[1] in LISTS:
        yield from _list(meant, project, query)
        return
    if meant.method not in WRITES:
        prefix = query.get("prefix", "") if permission == "storage.objects.list" else None
        resource = "" if bucket else next(iter(path.values()), "").partition("@")[0]
        wanted = Access(permission, project, bucket, path.get("object", ""), prefix, _generation(query), resource)
        yield wanted
        if meant.method == "storage.objects.bulkRestore":
            yield from (replace(wanted, permission=needed, name=None) for needed in BULK_RESTORE)
        if meant.method in SHOW_LISTS and query.get("projection") == "full":
            kind = permission.split(".")[1]
            name = path.get("object", "" if kind == "buckets" else None)
            yield replace(wanted, permission=f"storage.{kind}.getIamPolicy", name=name)
        return
    yield from _source(cloud, meant, project, bucket, _generation(query, "sourceGeneration"))
    name = path.get("object") or path.get("destinationObject") or query.get("name")
    yield Access("storage.objects.create", project, bucket, name)
    if name and catalog.find(cloud, bucket, name):
        yield Access("storage.objects.delete", project, bucket, name)


def _list(meant: Meaning, project: str, query: Mapping[str, str]) -> Iterator[Access]:
    """Yield what reading or changing an access list needs."""
    _, kind, verb = meant.method.split(".")
    for needed in READ_LIST if verb in {"get", "list"} else CHANGE_LIST:
        name = meant.path.get("object", "")
        yield Access(f"storage.{LISTS[kind]}.{needed}", project, meant.path["bucket"], name, None, _generation(query))


def _generation(query: Mapping[str, str], name: str = "generation") -> int | None:
    text = query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _source(cloud: Cloud, meant: Meaning, project: str, bucket: str, generation: int | None) -> Iterator[Access]:
    path = meant.path
    if meant.method in READS_SOURCE:
        theirs = project_of(cloud, meant.method, {"bucket": path["sourceBucket"]}, {})
        source = path["sourceBucket"], path["sourceObject"]
        yield Access("storage.objects.get", theirs, *source, generation=generation)
    elif meant.method == "storage.objects.move":
        yield Access("storage.objects.move", project, bucket, path["sourceObject"])
    elif meant.method == "storage.objects.compose":
        yield Access("storage.objects.get", project, bucket, None)
