"""gcp.storage.Bucket: planned properties <-> the storage API's bucket."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.engine.gcp import states
from infra.engine.gcp.bucket_table import BUCKET_FIELDS
from infra.engine.gcp.rest import ApiError, Cloud, escaped
from infra.engine.gcp.schema import AutoName, Json, ResourceType
from infra.engine.providers import Properties, ProviderError

AT_ONCE = 8  # deletions of objects
LIVE = {"LIVE": True, "ARCHIVED": False}
IF_ZERO = {
    "age": "sendAgeIfZero",
    "daysSinceCustomTime": "sendDaysSinceCustomTimeIfZero",
    "daysSinceNoncurrentTime": "sendDaysSinceNoncurrentTimeIfZero",
    "numNewerVersions": "sendNumNewerVersionsIfZero",
}
# What the JSON has elsewhere than the properties, and which property's change sends it.
PLACES = {
    "lifecycleRules": "lifecycle",
    "uniformBucketLevelAccess": "iamConfiguration",
    "publicAccessPrevention": "iamConfiguration",
    "requesterPays": "billing",
    "effectiveLabels": "labels",
}
SENT = frozenset({
    "autoclass", "billing", "cors", "customPlacementConfig", "defaultEventBasedHold", "encryption", "iamConfiguration",
    "ipFilter", "labels", "lifecycle", "logging", "retentionPolicy", "rpo", "softDeletePolicy", "storageClass",
    "versioning", "website",
})  # fmt: skip


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Create the bucket, and lock its retention policy where that is asked."""
    body = {key: value for key, value in encoded(wanted).items() if value not in (None, [], {})}
    if isinstance(body.get("retentionPolicy"), dict):
        body["retentionPolicy"].pop("isLocked", None)
    retention = {"enableObjectRetention": "true"} if wanted.get("enableObjectRetention") is True else {}
    found = cloud.call("POST", f"{cloud.base('storage')}b", body, {"project": wanted["project"], **retention})
    if _locked(wanted):
        found = _lock(cloud, found)
    return found["id"], decoded(found)


def _locked(state: Properties) -> bool:
    return bool((state.get("retentionPolicy") or {}).get("isLocked"))


def _lock(cloud: Cloud, found: Json) -> Json:
    url = f"{_url(cloud, found['name'])}/lockRetentionPolicy"
    return cloud.call("POST", url, query={"ifMetagenerationMatch": str(found["metageneration"])})


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Get the bucket; None where it is gone."""
    try:
        found = cloud.call("GET", _url(cloud, identity))
    except ApiError as refused:
        if refused.code == 404:
            return None
        raise
    return decoded(found) | ({} if known.get("project") else {"project": owner(cloud, found)})


def owner(cloud: Cloud, found: Json) -> str | None:
    """Return the id of the project that a bucket belongs to."""
    try:
        number = found.get("projectNumber") or found["number"]
        return str(cloud.call("GET", f"{cloud.base('compute')}projects/{number}")["name"])
    except (ApiError, KeyError):
        return cloud.settings.get("project")


def foreign(cloud: Cloud, body: Json, wanted: Properties) -> str:
    """Say why a bucket that exists is not this stack's own."""
    project = owner(cloud, body)
    return "" if project == wanted.get("project") else f"belongs to another project ({project})"


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Patch what changed; null removes a label or a setting."""
    body = encoded(wanted)
    patch: Json = {place: body.get(place) for place in sorted({PLACES.get(name, name) for name in changed} & SENT)}
    if "labels" in patch:
        patch["labels"] = dict.fromkeys(prior.get("effectiveLabels") or {}) | (patch["labels"] or {})
    if "lifecycle" in patch:
        patch["lifecycle"] = patch["lifecycle"] or {"rule": []}
    if "autoclass" in patch:
        patch["autoclass"] = patch["autoclass"] or {"enabled": False}
    locks = _locked(wanted) and not _locked(prior)
    if locks:
        patch["retentionPolicy"].pop("isLocked")
    found = cloud.call("PATCH", _url(cloud, identity), patch) if patch else cloud.call("GET", _url(cloud, identity))
    return decoded(_lock(cloud, found) if locks else found)


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Delete the bucket; with `force_destroy` first all its objects, every generation."""
    url = _url(cloud, identity)
    cloud.call("GET", f"{url}/anywhereCaches/")
    objects = _objects(cloud, url)
    if objects and not state.get("forceDestroy"):
        raise ProviderError(
            f"Bucket {identity!r} was not deleted: it holds objects and force_destroy is not set. "
            "Set force_destroy=True and run up, or empty it."
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda item: _delete_object(cloud, url, item), objects))
    cloud.call("DELETE", url)


def _objects(cloud: Cloud, url: str) -> list[Json]:
    found: list[Json] = []
    token = ""
    while True:
        page = {"pageToken": token} if token else {}
        answer = cloud.call("GET", f"{url}/o", query={"versions": "true", **page})
        found += answer.get("items", [])
        token = answer.get("nextPageToken", "")
        if not token:
            return found


def _delete_object(cloud: Cloud, url: str, item: Json) -> None:
    try:
        cloud.call("DELETE", f"{url}/o/{escaped(item['name'])}", query={"generation": str(item["generation"])})
    except ApiError as refused:
        if refused.code != 404:
            raise


def _url(cloud: Cloud, name: str) -> str:
    return f"{cloud.base('storage')}b/{escaped(name)}"


def encoded(wanted: Properties) -> Json:
    """Write the bucket as the API has it."""
    body = states.to_api(BUCKET_FIELDS, wanted)
    rules = body.pop("lifecycleRule", None)
    if rules:
        body["lifecycle"] = {"rule": [_rule(rule) for rule in rules]}
    access: Json = {}
    if isinstance(uniform := body.pop("uniformBucketLevelAccess", None), bool):
        access["uniformBucketLevelAccess"] = {"enabled": uniform}
    if prevention := body.pop("publicAccessPrevention", None):
        access["publicAccessPrevention"] = prevention
    if isinstance(pays := body.pop("requesterPays", None), bool):
        body["billing"] = {"requesterPays": pays}
    body.pop("enableObjectRetention", None)
    return body | {"labels": wanted.get("effectiveLabels"), "iamConfiguration": access}


def _rule(rule: Json) -> Json:
    condition = {key: value for key, value in rule["condition"].items() if value or _asked(key, rule["condition"])}
    state = condition.pop("withState", None)
    live = {"isLive": LIVE[state]} if state in LIVE else {}
    sent = {key: value for key, value in condition.items() if key not in IF_ZERO.values()}
    return {"action": {key: value for key, value in rule["action"].items() if value}, "condition": sent | live}


def _asked(key: str, condition: Json) -> bool:
    return bool(condition.get(IF_ZERO.get(key, "")))


def decoded(found: Json) -> Json:
    """Read the bucket's settings from where the API has them."""
    access = found.get("iamConfiguration") or {}
    rules = (found.get("lifecycle") or {}).get("rule") or []
    return {
        **found,
        "lifecycleRule": [{**rule, "condition": _condition(rule.get("condition") or {})} for rule in rules],
        "uniformBucketLevelAccess": bool((access.get("uniformBucketLevelAccess") or {}).get("enabled")),
        "publicAccessPrevention": access.get("publicAccessPrevention"),
        "requesterPays": bool((found.get("billing") or {}).get("requesterPays")),
        "enableObjectRetention": (found.get("objectRetention") or {}).get("mode") == "Enabled",
        "hierarchicalNamespace": found.get("hierarchicalNamespace") or {"enabled": False},
        "url": f"gs://{found['name']}",
    }


def _condition(condition: Json) -> Json:
    live: Any = condition.get("isLive")
    return {**condition, "withState": "ANY" if live is None else "LIVE" if live else "ARCHIVED"}


def identify(identity: str, project: str) -> Properties:
    """Read `NAME` or `PROJECT/NAME`."""
    del project
    owner_name, _, name = identity.rpartition("/")
    return {"name": name} | ({"project": owner_name} if owner_name else {})


BUCKET = ResourceType(
    title="Bucket",
    properties=BUCKET_FIELDS,
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 10, "read": 4, "update": 4},
    version="4",
    autoname=AutoName("name"),
    standing=lambda wanted: str(wanted["name"]),
    foreign=foreign,
    remedy="Choose another name, in the program or by its setting in the stack's file (such as 'bucket').",
)
