"""What may not be deleted or overwritten: objects under a hold or a retention period."""

from datetime import datetime, timedelta

from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject

HOLDS = {"temporaryHold": "Temporary hold", "eventBasedHold": "Event-Based hold"}


def check_unprotected(cloud: Cloud, bucket: Json, found: StoredObject) -> None:
    """Raise 403 where a hold or a retention period protects the object."""
    name = f"{found.bucket}/{found.name}"
    for field, hold in HOLDS.items():
        if found.body.get(field):
            msg = f"Object '{name}' is under active {hold} and cannot be deleted, overwritten or archived until hold is"
            raise ApiError(403, f"{msg} removed.", reason="objectUnderActiveHold")
    until = retained_until(bucket, found.body)
    if until and until > cloud.now():
        msg = f"Object '{name}' is subject to bucket's retention policy or object retention and cannot be deleted or"
        raise ApiError(403, f"{msg} overwritten until {until}", reason="retentionPolicyNotMet")


def retained_until(bucket: Json, body: Json) -> str:
    """Return the time until which an object is retained, empty where it is not."""
    until = str(body.get("retention", {}).get("retainUntilTime", ""))
    period = bucket.get("retentionPolicy", {}).get("retentionPeriod")
    if period is None:
        return until
    created = datetime.fromisoformat(body["timeCreated"]) + timedelta(seconds=int(period))
    return max(until, created.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
