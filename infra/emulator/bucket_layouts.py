"""What clients and the provider ask about a bucket on the way: its layout, its caches, the service's account."""

from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.objects import require_bucket
from infra.emulator.resources import Json


@handles("storage.buckets.getStorageLayout")
def get_storage_layout(call: Call) -> Json:
    """Tell how the bucket's names are laid out: flat, or folders."""
    body = require_bucket(call.cloud, call.path["bucket"])
    return {
        "kind": "storage#storageLayout",
        "bucket": body["name"],
        "location": body["location"],
        "locationType": body["locationType"],
        "hierarchicalNamespace": {"enabled": bool(body.get("hierarchicalNamespace", {}).get("enabled"))},
    }


@handles("storage.anywhereCaches.list")
def list_anywhere_caches(call: Call) -> Json:
    """List the caches of a bucket: the local cloud makes none, and the provider asks before it deletes a bucket."""
    require_bucket(call.cloud, call.path["bucket"])
    return {"kind": "storage#anywhereCaches"}


@handles("storage.projects.serviceAccount.get")
def get_service_account(_: Call) -> Json:
    """Name the account by which the service itself acts in the project."""
    number = PROJECT_NUMBER
    return {
        "kind": "storage#serviceAccount",
        "email_address": f"service-{number}@gs-project-accounts.iam.gserviceaccount.com",
    }
