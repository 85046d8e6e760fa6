"""What a bucket may be called, where it may stand, and what the service adds to what was sent."""

import re
from datetime import datetime, timedelta

from infra.emulator.clock import text
from infra.emulator.discovery import document
from infra.emulator.errors import ApiError, invalid
from infra.emulator.resources import Json
from infra.emulator.storage_lifecycle import check_lifecycle
from infra.places.multi_regions import MULTI_REGIONS, PAIRS, chosen_pair

SOFT_DELETE_SECONDS = "604800"  # seven days, the service's default
REGIONS_OF_A_PAIR = 2
LABEL = r"[^\W_A-Z][\w-]{0,62}"
STORAGE_CLASSES = {
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
    "RAPID",
}
UNIFORM_DAYS = 90  # for so long uniform access can be switched off again
DAY = 86_400  # seconds
LONGEST_RETENTION = 3_155_760_000  # seconds: a hundred years
WORDS = {
    "autoclass.terminalStorageClass": ("NEARLINE", "ARCHIVE"),
    "iamConfiguration.publicAccessPrevention": ("inherited", "enforced", "unspecified"),
    "ipFilter.mode": ("Enabled", "Disabled"),
    "rpo": ("DEFAULT", "ASYNC_TURBO"),
}
# Set by the service; what a client sends for them is ignored.
OUTPUT_ONLY = {
    "kind",
    "id",
    "selfLink",
    "etag",
    "metageneration",
    "generation",
    "projectNumber",
    "timeCreated",
    "updated",
    "locationType",
    "satisfiesPZS",
    "satisfiesPZI",
    "hardDeleteTime",
    "softDeleteTime",
    "owner",
    "acl",
    "defaultObjectAcl",
    "objectRetention",
}
DROPPED_WHEN_EMPTY = ("lifecycle", "labels", "cors", "logging", "website", "billing", "encryption", "retentionPolicy")


def check_bucket_name(name: str) -> None:
    """Raise 400 where a bucket cannot have this name."""
    parts = name.split(".")
    shaped = re.fullmatch(r"[a-z0-9][a-z0-9._-]*[a-z0-9]", name) and 3 <= len(name) <= (222 if len(parts) > 1 else 63)
    sized = all(0 < len(part) <= 63 for part in parts)
    address = re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name)
    if not shaped or not sized or address or name.startswith("goog") or re.search("g[o0]{2}g[l1]e", name):
        msg = f"Invalid bucket name: '{name}'"
        raise invalid(msg, reason="invalid")


def location_type(location: str) -> str:
    """Return region, dual-region or multi-region for an upper-case location; raise 400 where there is none such."""
    if location.lower() in MULTI_REGIONS:
        return "multi-region"
    if location.lower() in PAIRS:
        return "dual-region"
    if location.lower() not in document("storage", "v1").locations:  # where storage has endpoints
        msg = f"The specified location constraint is not valid: {location!r}"
        raise invalid(msg, reason="invalid")
    return "region"


def completed(body: Json, now: str) -> Json:
    """Return a bucket's body with the service's defaults filled in and empty blocks gone."""
    location = str(body.get("location") or "US").upper()
    result: Json = {**body, "location": location, "storageClass": str(body.get("storageClass") or "STANDARD").upper()}
    result["locationType"] = "dual-region" if body.get("customPlacementConfig") else location_type(location)
    result["iamConfiguration"] = _iam_configuration(body.get("iamConfiguration") or {}, now)
    policy = {"retentionDurationSeconds": SOFT_DELETE_SECONDS, **(body.get("softDeletePolicy") or {})}
    if (autoclass := body.get("autoclass") or {}).get("enabled"):
        since = {"toggleTime": now, "terminalStorageClassUpdateTime": now}
        result["autoclass"] = {"terminalStorageClass": "NEARLINE", **since, **autoclass}
    result["softDeletePolicy"] = {"effectiveTime": now, **policy}
    if result["locationType"] != "region":
        result.setdefault("rpo", "DEFAULT")
    for name in DROPPED_WHEN_EMPTY:
        if not any(_values(result.get(name))):
            result.pop(name, None)
    if "retentionPolicy" in result:
        result["retentionPolicy"] = {"effectiveTime": now, **result["retentionPolicy"]}
    return result


def check_settings(body: Json) -> None:
    """Raise 400 where a setting has a value that the service refuses."""
    check_lifecycle(body.get("lifecycle", {}).get("rule") or [])
    _check_numbers(body)
    _check_words(body)
    if body.get("customPlacementConfig") and len(set(chosen_pair(body))) != REGIONS_OF_A_PAIR:
        msg = f"customPlacementConfig names two regions, not {chosen_pair(body)}."
        raise invalid(msg, reason="invalid")
    if body["storageClass"] not in STORAGE_CLASSES:
        msg = f"Invalid storage class {body['storageClass']!r}"
        raise invalid(msg, reason="invalid")
    for key, value in body.get("labels", {}).items():
        if not re.fullmatch(LABEL, key) or not re.fullmatch(r"[\w-]{0,63}", value) or value != value.lower():
            msg = f"Invalid label {key!r}: {value!r}. Keys start with a lowercase letter; lowercase, digits, _ and -."
            raise invalid(msg, reason="invalid")
    if len(body.get("labels", {})) > 64:
        msg = "A bucket can have at most 64 labels."
        raise invalid(msg, reason="invalid")


def _check_numbers(body: Json) -> None:
    kept = int(body["softDeletePolicy"]["retentionDurationSeconds"])
    if kept and not 7 * DAY <= kept <= 90 * DAY:
        msg = f"Soft delete retention is 0, or between {7 * DAY} and {90 * DAY} seconds, not {kept}."
        raise invalid(msg, reason="invalid")
    period = int(body.get("retentionPolicy", {}).get("retentionPeriod", 1))
    if not 1 <= period <= LONGEST_RETENTION:
        msg = f"A retention period is between 1 and {LONGEST_RETENTION} seconds, not {period}."
        raise invalid(msg, reason="invalid")


def _check_words(body: Json) -> None:
    for path, words in WORDS.items():
        block, _, name = path.rpartition(".")
        value = (body.get(block) or {} if block else body).get(name)
        if value is not None and value not in words:
            msg = f"Invalid value {value!r} for {path}: expected {' or '.join(words)}."
            raise invalid(msg, reason="invalid")


def check_unmoved(old: Json, new: Json) -> None:
    """Raise 400 where a change would move the bucket."""
    if old["location"] != new["location"]:
        msg = f"Bucket locations are immutable: '{old['name']}' is in {old['location']}, not {new['location']}."
        raise invalid(msg, reason="invalid")


def check_retention_change(old: Json, new: Json) -> None:
    """Raise 403 where a locked retention policy would be removed or shortened."""
    before, after = old.get("retentionPolicy", {}), new.get("retentionPolicy", {})
    shorter = int(after.get("retentionPeriod", 0)) < int(before.get("retentionPeriod", 0))
    if before.get("isLocked") and (shorter or not after.get("isLocked")):
        msg = f"Cannot reduce retention duration of a locked Retention Policy for bucket '{old['name']}'."
        raise ApiError(403, msg, reason="forbidden")


def check_uniform(old: Json, new: Json, now: str) -> None:
    """Raise 400 where access by lists would come back after its time is over."""
    before, after = (body["iamConfiguration"]["uniformBucketLevelAccess"] for body in (old, new))
    if before.get("enabled") and not after.get("enabled") and before.get("lockedTime", now) < now:
        msg = f"Uniform bucket-level access of '{old['name']}' was enabled for over {UNIFORM_DAYS} days: it stays."
        raise invalid(msg, reason="invalid")


def _iam_configuration(sent: Json, now: str) -> Json:
    """Return the access settings with the old name of uniform access beside the new one, and until when it can end."""
    uniform = dict(sent.get("uniformBucketLevelAccess") or sent.get("bucketPolicyOnly") or {"enabled": False})
    if uniform.get("enabled"):
        until = datetime.fromisoformat(now) + timedelta(days=UNIFORM_DAYS)
        uniform.setdefault("lockedTime", text(until))
    else:
        uniform.pop("lockedTime", None)
    return {
        "publicAccessPrevention": "inherited",
        **sent,
        "uniformBucketLevelAccess": uniform,
        "bucketPolicyOnly": uniform,
    }


def _values(block: object) -> list[object]:
    return list(block.values()) if isinstance(block, dict) else list(block) if isinstance(block, list) else []
