"""What may not be deleted or overwritten: objects under a hold or a retention, and who may change these."""

from datetime import UTC, datetime, timedelta

from infra.emulator import clock
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError, invalid
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject

HOLDS = {"temporaryHold": "Temporary hold", "eventBasedHold": "Event-Based hold"}
RELEASED = "eventBasedHoldReleased"  # kept with the object, not shown: the bucket's retention counts from then on


def check_unprotected(cloud: Cloud, bucket: Json, found: StoredObject, *, by_name: bool = False) -> None:
    """Raise 403 where a hold or a retention period protects the object.

    `by_name`: the generation would only become noncurrent where the bucket keeps versions, which retention allows.
    """
    name = f"{found.bucket}/{found.name}"
    for field, hold in HOLDS.items():
        if found.body.get(field):
            msg = f"Object '{name}' is under active {hold} and cannot be deleted, overwritten or archived until hold is"
            raise ApiError(403, f"{msg} removed.", reason="objectUnderActiveHold")
    if by_name and bucket.get("versioning", {}).get("enabled"):
        return
    times = [until for until in (_object_until(found.body), retention_expires(bucket, found.body)) if until]
    if times and max(times) > clock.now(cloud.resources):
        until = clock.text(max(times))
        msg = f"Object '{name}' is subject to bucket's retention policy or object retention and cannot be deleted or"
        raise ApiError(403, f"{msg} overwritten until {until}", reason="retentionPolicyNotMet")


def retention_expires(bucket: Json, body: Json) -> datetime | None:
    """Return until when the bucket's policy retains an object; None where it has none, or a hold stops the count."""
    period = bucket.get("retentionPolicy", {}).get("retentionPeriod")
    if period is None or body.get("eventBasedHold"):
        return None
    return _moment(body.get(RELEASED) or body["timeCreated"]) + timedelta(seconds=int(period))


def check_retention(cloud: Cloud, bucket: Json, retention: Json) -> None:
    """Raise 400 where an object cannot be given this retention."""
    if not retention:
        return
    if bucket.get("objectRetention", {}).get("mode") != "Enabled":
        msg = f"Bucket {bucket['name']!r} has no object retention: create it with enableObjectRetention=true."
        raise invalid(msg, reason="invalid")
    mode, until = retention.get("mode"), retention.get("retainUntilTime")
    if mode not in {"Locked", "Unlocked"} or not until:
        msg = f"A retention has a mode, Locked or Unlocked, and a retainUntilTime, not {retention!r}."
        raise invalid(msg, reason="invalid")
    if _moment(until) <= clock.now(cloud.resources):
        msg = f"retainUntilTime {until!r} is not in the future."
        raise invalid(msg, reason="invalid")


def check_retention_change(cloud: Cloud, bucket: Json, old: Json, new: Json, *, override: bool) -> None:
    """Raise 400 or 403 where a change of an object's retention is not allowed.

    Longer is always allowed; shorter, none or locked only with `override`, and never once it is locked.
    """
    before, after = old.get("retention") or {}, new.get("retention") or {}
    if before == after:
        return
    check_retention(cloud, bucket, after)
    if not before:
        return
    until = _moment(before["retainUntilTime"])
    shorter = not after or _moment(after["retainUntilTime"]) < until
    other = after.get("mode") != before["mode"]
    if before["mode"] == "Locked" and (shorter or other) and until > clock.now(cloud.resources):
        msg = f"Object retention is locked until {before['retainUntilTime']}: it can be neither shortened nor removed."
        raise ApiError(403, msg, reason="forbidden")
    if (shorter or other) and not override:
        msg = "Unlocked object retention is shortened, removed or locked only with overrideUnlockedRetention=true."
        raise ApiError(403, msg, reason="forbidden")


def released(cloud: Cloud, old: Json, new: Json) -> Json:
    """Return a changed object's body with the time noted at which its event-based hold ended."""
    if old.get("eventBasedHold") and not new.get("eventBasedHold"):
        return {**new, RELEASED: cloud.now()}
    return new


def _object_until(body: Json) -> datetime | None:
    until = (body.get("retention") or {}).get("retainUntilTime")
    return _moment(until) if until else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
