"""cloudkms: the versions of a key: made at first and by rotation, disabled, destroyed after a while, restored."""

from datetime import datetime, timedelta
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition, invalid

Json = dict[str, Any]

KEYS, VERSIONS = "cloudkms.cryptoKeys", "cloudkms.cryptoKeyVersions"
SYMMETRIC = "ENCRYPT_DECRYPT"
METHODS = "cloudkms.projects.locations.keyRings.cryptoKeys.cryptoKeyVersions"


def new_version(call: Call, key: Json) -> Json:
    """Store the next version of a key; versions are numbered from 1, and no number is given twice."""
    now, name = call.cloud.now(), key["name"]
    version = {
        "name": f"{name}/cryptoKeyVersions/{call.resources.next_number(f'{KEYS}/{name}')}",
        "state": "ENABLED",
        "protectionLevel": key["versionTemplate"]["protectionLevel"],
        "algorithm": key["versionTemplate"]["algorithm"],
        "createTime": now,
        "generateTime": now,
    }
    call.resources.put(VERSIONS, version["name"], version)
    return version


def rotated(call: Call, key: Json) -> Json:
    """Return a key as stored, with the new primary version that its rotation made due, if it did."""
    due, now = key.get("nextRotationTime"), datetime.fromisoformat(call.cloud.now())
    if not due or not key.get("rotationPeriod") or datetime.fromisoformat(due) > now:
        return key
    period = timedelta(seconds=seconds(key["rotationPeriod"]))
    missed = (now - datetime.fromisoformat(due)) // period
    later = datetime.fromisoformat(due) + period * (missed + 1)
    turned = {**key, "primary": new_version(call, key)["name"], "nextRotationTime": written(later)}
    call.resources.put(KEYS, key["name"], turned)
    return turned


def seconds(duration: str) -> float:
    """Return a duration (`86400s`) in seconds."""
    return float(duration.removesuffix("s"))


def written(time: datetime) -> str:
    """Return a time as Google writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@handles(f"{METHODS}.create")
def create(call: Call) -> Json:
    """Make a new version; that of a symmetric key is not the primary one until it is made so."""
    with call.resources.transaction():
        return new_version(call, _key(call, call.path["parent"]))


@handles(f"{METHODS}.get")
def get(call: Call) -> Json:
    """Return one version."""
    return _version(call)


@handles(f"{METHODS}.list")
def list_(call: Call) -> Json:
    """List a key's versions, oldest first; `filter` may ask for a state."""
    _key(call, call.path["parent"])
    found = [body for _, body in call.resources.list(VERSIONS, f"{call.path['parent']}/cryptoKeyVersions/")]
    taken = generic.filtered(found, call.parameter("filter"), "name", "state", "algorithm")
    return {**generic.page(call, taken, "cryptoKeyVersions"), "totalSize": len(taken)}


@handles(f"{METHODS}.patch")
def patch(call: Call) -> Json:
    """Enable or disable a version."""
    state = call.body.get("state")
    if call.parameter("updateMask") != "state" or state not in ("ENABLED", "DISABLED"):
        raise invalid("Only the state can be updated here, to ENABLED or DISABLED.", field_path="update_mask")
    return _turned(call, ("ENABLED", "DISABLED"), state=state)


@handles(f"{METHODS}.destroy")
def destroy(call: Call) -> Json:
    """Schedule a version's destruction, after the duration that its key says."""
    with call.resources.transaction():
        key = _key(call, call.path["name"].rpartition("/cryptoKeyVersions/")[0])
        wait = timedelta(seconds=seconds(key["destroyScheduledDuration"]))
        end = written(datetime.fromisoformat(call.cloud.now()) + wait)
        return _turned(call, ("ENABLED", "DISABLED"), state="DESTROY_SCHEDULED", destroyTime=end)


@handles(f"{METHODS}.restore")
def restore(call: Call) -> Json:
    """Take a scheduled destruction back; the version is disabled then."""
    return _turned(call, ("DESTROY_SCHEDULED",), state="DISABLED", destroyTime=None)


def _turned(call: Call, allowed: tuple[str, ...], **changes: Any) -> Json:
    with call.resources.transaction():
        version = _version(call)
        if version["state"] not in allowed:
            wanted = " or ".join(allowed)
            raise failed_precondition(f"{version['name']} is {version['state']}; {wanted} is wanted for this call.")
        changed = {name: value for name, value in {**version, **changes}.items() if value is not None}
        call.resources.put(VERSIONS, version["name"], changed)
        return changed


def _version(call: Call) -> Json:
    """Return a version as it stands; one whose time has come is destroyed."""
    name = call.path["name"]
    version = generic.get(call, VERSIONS, name, message=f"CryptoKeyVersion {name} not found.")
    end = version.get("destroyTime", "")
    if version["state"] == "DESTROY_SCHEDULED" and end <= call.cloud.now():
        kept = {key: value for key, value in version.items() if key != "destroyTime"}
        return {**kept, "state": "DESTROYED", "destroyEventTime": end}
    return version


def _key(call: Call, name: str) -> Json:
    return generic.get(call, KEYS, name, message=f"CryptoKey {name} not found.")
