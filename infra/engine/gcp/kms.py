"""gcp.kms.KeyRing and CryptoKey: neither can be deleted at Google; a key's end is that of its versions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from infra.engine.gcp import validation
from infra.engine.gcp.collection import Collection
from infra.engine.gcp.rest import Cloud
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LABELS,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    AutoName,
    Fields,
    Json,
    ResourceType,
    block,
    blocks,
    boolean,
    string,
    strings,
)
from infra.engine.providers import Properties

OVER = ("DESTROY_SCHEDULED", "DESTROYED")

RING_FIELDS: Fields = {
    "name": string(NEW, LOCAL),
    "location": string(REQUIRED, NEW, LOCAL),
    "project": PROJECT,
}

TEMPLATE: Fields = {"algorithm": string(REQUIRED), "protectionLevel": string(NEW, default="SOFTWARE")}

KEY_FIELDS: Fields = {
    "keyRing": string(REQUIRED, NEW, LOCAL),
    "name": string(NEW, LOCAL),
    **LABELS,
    "cryptoKeyBackend": string(COMPUTED, NEW),
    "deletionPolicy": DELETION,
    "destroyScheduledDuration": string(COMPUTED, NEW),
    "importOnly": boolean(COMPUTED, NEW),
    "keyAccessJustificationsPolicy": block({"allowedAccessReasons": strings()}, COMPUTED),
    "purpose": string(NEW, default="ENCRYPT_DECRYPT"),
    "rotationPeriod": string(wrong=validation.rotation_period),
    "skipInitialVersionCreation": boolean(LOCAL),
    "versionTemplate": block(TEMPLATE, COMPUTED),
    "primaries": blocks({"name": string(OUTPUT), "state": string(OUTPUT)}, OUTPUT, tf="primary"),
}


def decode(body: Json) -> Json:
    """Leave the full name out: the properties have the short one."""
    return {key: value for key, value in body.items() if key != "name"}


RINGS = Collection("kms", "keyRings", "name", "keyRingId", RING_FIELDS, decode=decode)
KEYS = Collection(
    "kms",
    "cryptoKeys",
    "name",
    "cryptoKeyId",
    KEY_FIELDS,
    decode=decode,
    parent="{keyRing}",
    masks={"rotationPeriod": "rotationPeriod,nextRotationTime", "versionTemplate": "versionTemplate.algorithm"},
)


def create_key(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Create the key with its first version; one that rotates needs to be told when that begins."""
    skipped = "true" if wanted.get("skipInitialVersionCreation") else "false"
    return _scheduled(wanted).create(cloud, wanted, {"skipInitialVersionCreation": skipped})


def update_key(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Patch labels, rotation and the algorithm of new versions."""
    return _scheduled(wanted).update(cloud, identity, prior, wanted, changed)


def _scheduled(wanted: Properties) -> Collection:
    """Return the collection that sends the first time of a rotation with its period."""
    period = wanted.get("rotationPeriod")
    first = datetime.now(UTC) + timedelta(seconds=float(period.removesuffix("s")) if period else 0)
    time = {"nextRotationTime": first.strftime("%Y-%m-%dT%H:%M:%S.%fZ")} if period else {}
    return replace(KEYS, encode=lambda body: body | time)


def end_key(cloud: Cloud, identity: str, state: Properties) -> None:
    """Schedule the destruction of every version and end the rotation, or a new one would come; the record stays."""
    url, token = KEYS.url(cloud, identity), ""
    while True:
        page = cloud.call("GET", f"{url}/cryptoKeyVersions", query={"pageToken": token} if token else {})
        for version in page.get("cryptoKeyVersions", ()):
            if version["state"] not in OVER:
                cloud.call("POST", f"{KEYS.url(cloud, version['name'])}:destroy", {})
        token = page.get("nextPageToken", "")
        if not token:
            break
    if state.get("rotationPeriod"):
        cloud.call("PATCH", url, {}, {"updateMask": "rotationPeriod,nextRotationTime"})


def _stays(cloud: Cloud, identity: str, state: Properties) -> None:
    """Leave a key ring where it is: Google keeps them for ever."""
    del cloud, identity, state


KEY_RING = ResourceType(
    title="Key ring",
    properties=RING_FIELDS,
    create=RINGS.create,
    read=RINGS.read,
    update=RINGS.update,
    delete=_stays,
    identify=RINGS.identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 20, "delete": 20},
    autoname=AutoName("name"),
    standing=RINGS.identity,
    remedy="Choose another name (a ring's is never free again), or import it: python -m infra.engine import",
)

CRYPTO_KEY = ResourceType(
    title="Key",
    properties=KEY_FIELDS,
    create=create_key,
    read=KEYS.read,
    update=update_key,
    delete=end_key,
    identify=KEYS.identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 20, "delete": 20, "update": 20},
    version="1",
    autoname=AutoName("name"),
    standing=KEYS.identity,
    remedy="Choose another name (a key's is never free again), or import it: python -m infra.engine import",
)
