"""cloudkms: key rings, keys and their versions as records; nothing is encrypted with them.

Rings and keys are never deleted, as at Google: destroying a key's versions is the end of what it protects.
"""

import re
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition, invalid
from infra.emulator.kms_versions import KEYS, SYMMETRIC, VERSIONS, new_version, rotated, seconds
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import get_policy, set_policy

Json = dict[str, Any]

RINGS = "cloudkms.keyRings"
LOCATION = "cloudkms.projects.locations"
ID = re.compile(r"[a-zA-Z0-9_-]{1,63}")
TEMPLATE = {"protectionLevel": "SOFTWARE", "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}
DAY = 86400.0  # seconds
LONGEST_PERIOD, LONGEST_WAIT = 876_000 * 3600, 120 * DAY
DESTROYED_AFTER = f"{30 * 86400}s"  # Google's default since 2024
MUTABLE = ("labels", "nextRotationTime", "rotationPeriod", "versionTemplate", "keyAccessJustificationsPolicy")
UNSET_POLICY: Json = {"version": 1}
POLICED = (f"{LOCATION}.keyRings", f"{LOCATION}.keyRings.cryptoKeys")


@handles(f"{LOCATION}.keyRings.create")
def create_ring(call: Call) -> Json:
    """Create a key ring under `keyRingId`."""
    name = f"{call.path['parent']}/keyRings/{_checked_id(call, 'keyRingId')}"
    body = {"name": name, "createTime": call.cloud.now()}
    return generic.create(call, RINGS, name, body, message=f"KeyRing {name} already exists.")


@handles(f"{LOCATION}.keyRings.get")
def get_ring(call: Call) -> Json:
    """Return one key ring."""
    return _ring(call, call.path["name"])


@handles(f"{LOCATION}.keyRings.list")
def list_rings(call: Call) -> Json:
    """List a location's key rings."""
    rings = [body for _, body in call.resources.list(RINGS, f"{call.path['parent']}/keyRings/")]
    return {**generic.page(call, rings, "keyRings"), "totalSize": len(rings)}


@handles(f"{LOCATION}.keyRings.cryptoKeys.create")
def create_key(call: Call) -> Json:
    """Create a key under `cryptoKeyId`, with its first version unless that is not wanted."""
    identifier, sent = _checked_id(call, "cryptoKeyId"), call.body
    if sent.get("purpose", "CRYPTO_KEY_PURPOSE_UNSPECIFIED") == "CRYPTO_KEY_PURPOSE_UNSPECIFIED":
        raise invalid("CryptoKey.purpose must be specified.", field_path="crypto_key.purpose")
    template = sent.get("versionTemplate") or {}
    if sent["purpose"] != SYMMETRIC and not template.get("algorithm"):
        raise invalid("CryptoKey.version_template.algorithm must be specified for this purpose.")
    key = {
        **sent,
        "name": f"{call.path['parent']}/cryptoKeys/{identifier}",
        "createTime": call.cloud.now(),
        "versionTemplate": {**TEMPLATE, **template},
        "destroyScheduledDuration": sent.get("destroyScheduledDuration", DESTROYED_AFTER),
    }
    _check_rotation(key)
    if not DAY <= seconds(key["destroyScheduledDuration"]) <= LONGEST_WAIT:
        what = "The duration must be from 24 hours to 120 days."
        raise invalid(what, field_path="crypto_key.destroy_scheduled_duration")
    with call.resources.transaction():
        _ring(call, call.path["parent"])
        generic.create(call, KEYS, key["name"], key, message=f"CryptoKey {key['name']} already exists.")
        if call.parameter("skipInitialVersionCreation") != "true" and not sent.get("importOnly"):
            version = new_version(call, key)
            if key["purpose"] == SYMMETRIC:
                key["primary"] = version["name"]
        call.resources.put(KEYS, key["name"], key)
        return shown(call, key)


@handles(f"{LOCATION}.keyRings.cryptoKeys.get")
def get_key(call: Call) -> Json:
    """Return one key with its primary version as it stands."""
    return shown(call, stored_key(call, call.path["name"]))


@handles(f"{LOCATION}.keyRings.cryptoKeys.list")
def list_keys(call: Call) -> Json:
    """List a ring's keys."""
    _ring(call, call.path["parent"])
    keys = [shown(call, body) for _, body in call.resources.list(KEYS, f"{call.path['parent']}/cryptoKeys/")]
    return {**generic.page(call, keys, "cryptoKeys"), "totalSize": len(keys)}


@handles(f"{LOCATION}.keyRings.cryptoKeys.patch")
def patch_key(call: Call) -> Json:
    """Change labels, rotation or the template of new versions."""
    with call.resources.transaction():
        key = stored_key(call, call.path["name"])
        mask = call.parameter("updateMask")
        if not mask:
            raise invalid("The update mask must be specified.", field_path="update_mask")
        changed = generic.patched(key, call.body, mask, mutable=MUTABLE)
        _check_rotation(changed)
        call.resources.put(KEYS, key["name"], changed)
        return shown(call, changed)


@handles(f"{LOCATION}.keyRings.cryptoKeys.updatePrimaryVersion")
def update_primary(call: Call) -> Json:
    """Make another enabled version the one that encrypts."""
    with call.resources.transaction():
        key = stored_key(call, call.path["name"])
        if key["purpose"] != SYMMETRIC:
            raise failed_precondition(f"{key['name']} has the purpose {key['purpose']}: it has no primary version.")
        name = f"{key['name']}/cryptoKeyVersions/{call.body.get('cryptoKeyVersionId', '')}"
        version = generic.get(call, VERSIONS, name, message=f"CryptoKeyVersion {name} not found.")
        if version["state"] != "ENABLED":
            raise failed_precondition(f"{name} is not enabled, current state is: {version['state']}.")
        call.resources.put(KEYS, key["name"], {**key, "primary": name})
        return shown(call, {**key, "primary": name})


@handles(*(f"{kind}.getIamPolicy" for kind in POLICED))
def get_iam_policy(call: Call) -> Json:
    """Return who may use a ring or key."""
    return get_policy(call, _policed(call), UNSET_POLICY)


@handles(*(f"{kind}.setIamPolicy" for kind in POLICED))
def set_iam_policy(call: Call) -> Json:
    """Replace who may use a ring or key."""
    return set_policy(call, _policed(call))


@handles(*(f"{kind}.testIamPermissions" for kind in POLICED))
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on a ring or key."""
    _policed(call)
    return test_permissions(call)


def stored_key(call: Call, name: str) -> Json:
    """Return a key as it is stored, its primary version by name, rotated where that is due; raises 404."""
    with call.resources.transaction():
        return rotated(call, generic.get(call, KEYS, name, message=f"CryptoKey {name} not found."))


def shown(call: Call, key: Json) -> Json:
    """Return a key as the service shows it: with its primary version whole."""
    primary = call.resources.get(VERSIONS, key.get("primary", ""))
    rest = {name: value for name, value in key.items() if name != "primary"}
    return {**rest, "primary": primary} if primary else rest


def _ring(call: Call, name: str) -> Json:
    return generic.get(call, RINGS, name, message=f"KeyRing {name} not found.")


def _policed(call: Call) -> str:
    name = call.path["resource"]
    return str((stored_key if "/cryptoKeys/" in name else _ring)(call, name)["name"])


def _checked_id(call: Call, parameter: str) -> str:
    identifier = call.parameter(parameter)
    if not ID.fullmatch(identifier):
        what = "1 to 63 letters, digits, - and _"
        raise invalid(f"Invalid {parameter} {identifier!r}: {what} are wanted.", field_path=parameter)
    return identifier


def _check_rotation(key: Json) -> None:
    """Refuse a rotation that Google refuses: of another purpose, without a first time, more than once a day."""
    period = key.get("rotationPeriod")
    if not period:
        return
    if key["purpose"] != SYMMETRIC:
        raise invalid("Automatic rotation is only for keys with the purpose ENCRYPT_DECRYPT.")
    if not key.get("nextRotationTime"):
        raise invalid("next_rotation_time must be specified if rotation_period is.", field_path="next_rotation_time")
    if not DAY <= seconds(period) <= LONGEST_PERIOD:
        raise invalid("The rotation period must be from 24 to 876,000 hours.", field_path="rotation_period")
