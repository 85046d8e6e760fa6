"""What storage refuses with a reason of its own: notifications."""

from infra.emulator.calls import Call, handles
from infra.emulator.errors import not_found, unimplemented
from infra.emulator.objects import require_bucket
from infra.emulator.resources import Json


@handles("storage.notifications.list")
def list_notifications(call: Call) -> Json:
    """List the notifications of a bucket: it has none."""
    require_bucket(call.cloud, call.path["bucket"])
    return {"kind": "storage#notifications"}


@handles("storage.notifications.insert")
def insert_notification(call: Call) -> Json:
    """Refuse: nobody would be told anything."""
    require_bucket(call.cloud, call.path["bucket"])
    topic = call.body.get("topic", "")
    msg = f"storage.notifications.insert is not implemented by the local cloud: it has no Pub/Sub, so {topic!r} would"
    raise unimplemented(f"{msg} never hear of a change. List objects, or poll their generations.")


@handles("storage.notifications.get", "storage.notifications.delete")
def miss_notification(call: Call) -> Json:
    """Answer 404: there is no notification."""
    require_bucket(call.cloud, call.path["bucket"])
    msg = f"Notification {call.path['notification']!r} does not exist in bucket {call.path['bucket']!r}."
    raise not_found(msg, reason="notFound")
