"""Folders of buckets with a hierarchical namespace: one record each; an object that is written brings its own along."""

from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError, invalid
from infra.emulator.resources import Json

FOLDERS = "storage.folders"  # the kind of their records, named BUCKET/FOLDER/
LAYOUT = "hierarchicalNamespace"  # the setting of a bucket
MANAGED_FOLDERS = "storage.managedFolders"
LONGEST = 512  # bytes of a name, by the service's page about folders


def is_hierarchical(bucket: Json) -> bool:
    """Tell whether a bucket has folders of its own."""
    return bool((bucket.get(LAYOUT) or {}).get("enabled"))


def check_hierarchical(bucket: Json) -> None:
    """Raise 400 where a bucket's settings do not go with folders, which need uniform access and keep no versions."""
    if not is_hierarchical(bucket):
        return
    if not bucket["iamConfiguration"]["uniformBucketLevelAccess"].get("enabled"):
        msg = "Hierarchical namespace buckets must use uniform bucket-level access."
        raise invalid(msg, reason="invalid")
    if (bucket.get("versioning") or {}).get("enabled"):
        raise invalid("Hierarchical namespace buckets do not support object versioning.", reason="invalid")


def check_layout_kept(old: Json, new: Json) -> None:
    """Raise 400 where a change would give a bucket folders, or take them away: that is decided when it is made."""
    if is_hierarchical(old) != is_hierarchical(new):
        raise invalid("The hierarchical namespace of a bucket cannot be changed.", reason="invalid")


def parents(name: str) -> list[str]:
    """Return the folders that a name stands in, the outermost first."""
    return [name[: at + 1] for at, letter in enumerate(name[:-1]) if letter == "/"]


def add_parents(cloud: Cloud, bucket: Json, name: str) -> None:
    """Make the folders that an object stands in, as its writing does."""
    if is_hierarchical(bucket):
        for folder in parents(name) + ([name] if name.endswith("/") else []):
            add(cloud, bucket["name"], folder)


def add(cloud: Cloud, bucket: str, name: str) -> bool:
    """Make a folder; False where there is one of this name."""
    now = cloud.now()
    body = {"bucket": bucket, "name": name, "metageneration": "1", "createTime": now, "updateTime": now}
    return cloud.resources.insert(FOLDERS, f"{bucket}/{name}", body)


def find(cloud: Cloud, bucket: str, name: str) -> Json | None:
    """Return a folder, None where there is none."""
    return cloud.resources.get(FOLDERS, f"{bucket}/{name}")


def below(cloud: Cloud, bucket: str, prefix: str = "", kinds: tuple[str, ...] = (FOLDERS,)) -> list[Json]:
    """Return the folders whose names begin so, by name."""
    found = {body["name"]: body for kind in kinds for _, body in cloud.resources.list(kind, f"{bucket}/{prefix}")}
    return [found[name] for name in sorted(found)]


def forget(cloud: Cloud, bucket: str, prefix: str = "") -> None:
    """Remove the folders whose names begin so."""
    for body in below(cloud, bucket, prefix):
        cloud.resources.delete(FOLDERS, f"{bucket}/{body['name']}")


def conflict(message: str) -> ApiError:
    """Make the 409 of a folder that is there, is not empty or has no parent."""
    return ApiError(409, message, "FAILED_PRECONDITION", "conflict")
