"""Access control lists: those that the project's roles give are told, and none can be changed.

Refused as the service does where access is uniform, 501 elsewhere. Predefined lists that let in nobody from outside of
the project pass: the local cloud has no other caller.
"""

from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.errors import ApiError, invalid, not_found, unimplemented
from infra.emulator.objects import require_bucket, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_conditions import Query, first, integer
from infra.emulator.storage_resource import etag_of

KINDS = {"bucketAccessControls": "bucket", "defaultObjectAccessControls": "object", "objectAccessControls": "object"}
WRITES = [f"storage.{kind}.{verb}" for kind in KINDS for verb in ("delete", "insert", "patch", "update")]
TEAMS = {"owners": "OWNER", "editors": "OWNER", "viewers": "READER"}  # projectPrivate: what everything new has
INSIDE = frozenset({"", "private", "projectPrivate", "bucketOwnerRead", "bucketOwnerFullControl"})
MORE = "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
OF_BUCKET = "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
OF_OBJECT = "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled."


@handles(*WRITES)
def refuse_access_lists(call: Call) -> Json:
    """Refuse to change access lists."""
    _check_listed(call)
    raise _absent(call.method)


@handles(*(f"storage.{kind}.list" for kind in KINDS))
def list_entries(call: Call) -> Json:
    """List the entries that the project's roles give."""
    return {"kind": f"storage#{KINDS[call.method.split('.')[1]]}AccessControls", "items": _entries(call)}


@handles(*(f"storage.{kind}.get" for kind in KINDS))
def get_entry(call: Call) -> Json:
    """Return an entry. Raises ApiError 404."""
    for entry in _entries(call):
        if entry["entity"] == call.path["entity"]:
            return entry
    raise not_found(f"The specified entity does not exist in the access list: {call.path['entity']}", reason="notFound")


def _check_listed(call: Call) -> None:
    """Refuse where there is no such bucket or object, and where a bucket's access is uniform."""
    bucket = require_bucket(call.cloud, call.path["bucket"])
    if is_uniform(bucket["iamConfiguration"]):
        msg = f"Cannot use ACL API when uniform bucket-level access is enabled. {MORE}"
        raise invalid(msg, reason="invalid")
    if name := call.path.get("object"):
        require_object(call.cloud, call.path["bucket"], name, integer(call.query, "generation"))


def _entries(call: Call) -> list[Json]:
    _check_listed(call)
    kind, path = KINDS[call.method.split(".")[1]], call.path
    place = {name: path[name] for name in ("bucket", "object") if name in path}
    return [
        {
            "kind": f"storage#{kind}AccessControl",
            "id": "/".join((*place.values(), f"project-{team}-{PROJECT_NUMBER}")),
            **place,
            "entity": f"project-{team}-{PROJECT_NUMBER}",
            "role": role,
            "projectTeam": {"projectNumber": PROJECT_NUMBER, "team": team},
            "etag": etag_of(1),
        }
        for team, role in TEAMS.items()
    ]


def is_uniform(settings: Json) -> bool:
    """Tell whether a bucket's access settings leave no room for access lists."""
    return bool((settings.get("uniformBucketLevelAccess") or {}).get("enabled"))


def check_bucket_lists(settings: Json, query: Query, body: Json) -> None:
    """Raise 400 where a bucket is given access lists and its access is uniform, 501 where they would have to act."""
    named = {name: first(query, name) for name in ("predefinedAcl", "predefinedDefaultObjectAcl")}
    sent = [name for name in ("acl", "defaultObjectAcl") if body.get(name)]
    if is_uniform(settings) and (sent or any(named.values())):
        raise invalid(OF_BUCKET, reason="invalid")
    if acting := sent + [name for name, value in named.items() if value not in INSIDE]:
        raise _absent(", ".join(acting))


def check_object_list(bucket: Json, query: Query, fields: Json) -> None:
    """Raise 400 where an object is given an access list and the bucket's access is uniform, 501 where it would act.

    The owner's own entry passes: every upload answers it, and clients send back what they were answered.
    """
    named = first(query, "predefinedAcl") or first(query, "destinationPredefinedAcl")
    others = {str(entry.get("entity")) for entry in fields.get("acl") or []} - {f"projectOwner-{PROJECT_NUMBER}"}
    if is_uniform(bucket["iamConfiguration"]) and (named or others):
        raise invalid(OF_OBJECT, reason="invalid")
    if others or named not in INSIDE:
        raise _absent(named or "acl")


def _absent(what: str) -> ApiError:
    msg = f"{what} is not implemented: the local cloud changes no access control lists. Use uniform bucket-level access"
    return unimplemented(f"{msg} and IAM policies.")
