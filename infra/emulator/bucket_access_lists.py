"""Access lists of buckets: their own, which is their policy's legacy roles seen as entries, and that of new objects."""

from urllib.parse import quote

from infra.emulator.access_entries import Entries, described, entity_of_member, member_of, stronger
from infra.emulator.access_rules import WRITE_BUCKET, bucket_rules, is_uniform, object_rules, uniform
from infra.emulator.bucket_policies import bucket_policy, put_policy
from infra.emulator.calls import Call, Cloud
from infra.emulator.object_access_lists import default_entries
from infra.emulator.resources import Json
from infra.emulator.storage_resource import DEFAULT_LIST, etag_of

ROLES = {
    "OWNER": "roles/storage.legacyBucketOwner",
    "WRITER": "roles/storage.legacyBucketWriter",
    "READER": "roles/storage.legacyBucketReader",
}
GIVEN = {"acl": "predefinedAcl", "defaultObjectAcl": "predefinedDefaultObjectAcl"}  # what is sent, or named instead


def bucket_entries(cloud: Cloud, name: str) -> Entries:
    """Return a bucket's list: whom its policy's legacy roles name, as far as lists can."""
    bindings = _legacy(bucket_policy(cloud, name))
    entries: Entries = {}
    for role, legacy in ROLES.items():
        members = [member for binding in bindings if binding["role"] == legacy for member in binding["members"]]
        for entity in filter(None, map(entity_of_member, members)):
            entries[entity] = stronger(entries, entity, role)
    return entries


def put_bucket_entries(cloud: Cloud, name: str, entries: Entries) -> None:
    """Make a list the legacy roles of a bucket's policy; whom lists cannot name keeps what he has."""
    policy = bucket_policy(cloud, name)
    legacy = _legacy(policy)
    kept = [binding for binding in policy["bindings"] if binding not in legacy]
    for role, bound in ROLES.items():
        members = [member_of(entity) for entity, has in entries.items() if has == role]
        for binding in legacy:
            nameless = [member for member in binding["members"] if not entity_of_member(member)]
            members += nameless if binding["role"] == bound else []
        kept += [{"role": bound, "members": members}] if members else []
    put_policy(cloud, name, {**policy, "bindings": kept})


def with_given_lists(call: Call, bucket: Json) -> Json:
    """Give a bucket the lists that a call sends or names; return the body to store, part of the caller's transaction.

    Raises:
        ApiError: 400 where access is uniform or an entry is none, 409 where a list is both sent and named, 412 where
            the public would be let in and is kept out.
    """
    if not is_given(call):
        return bucket
    if is_uniform(bucket):
        raise uniform(WRITE_BUCKET)
    own, default = (
        rules.asked(call.body.get(sent), call.parameter(name))
        for rules, (sent, name) in zip((bucket_rules(bucket), object_rules(bucket)), GIVEN.items(), strict=True)
    )
    if own is not None:
        put_bucket_entries(call.cloud, bucket["name"], own)
    return bucket if default is None else {**bucket, DEFAULT_LIST: default}


def is_given(call: Call) -> bool:
    """Tell whether a call gives a bucket a list."""
    return any(call.body.get(sent) or call.parameter(name) for sent, name in GIVEN.items())


def bucket_entry(bucket: Json, base: str, entity: str, role: str) -> Json:
    """Return an entry of a bucket's list as it is told."""
    return {
        "kind": "storage#bucketAccessControl",
        "id": f"{bucket['name']}/{entity}",
        "selfLink": f"{base}/storage/v1/b/{bucket['name']}/acl/{quote(entity, safe='@')}",
        "bucket": bucket["name"],
        **described(entity, role),
        "etag": etag_of(int(bucket["metageneration"])),
    }


def default_entry(bucket: Json, entity: str, role: str) -> Json:
    """Return an entry of the list of new objects as it is told: it has no name of its own."""
    etag = etag_of(int(bucket["metageneration"]))
    return {"kind": "storage#objectAccessControl", **described(entity, role), "etag": etag}


def bucket_lists(cloud: Cloud, bucket: Json, base: str) -> Json:
    """Return owner and lists, as a bucket's full resource has them; nothing where access is uniform."""
    if is_uniform(bucket):
        return {}
    own, default = bucket_entries(cloud, bucket["name"]).items(), default_entries(bucket).items()
    return {
        "owner": {"entity": bucket_rules(bucket).owner},
        "acl": [bucket_entry(bucket, base, entity, role) for entity, role in own],
        "defaultObjectAcl": [default_entry(bucket, entity, role) for entity, role in default],
    }


def _legacy(policy: Json) -> list[Json]:
    """Return the bindings that a bucket's list shows."""
    roles = ROLES.values()
    return [binding for binding in policy["bindings"] if binding["role"] in roles and not binding.get("condition")]
