"""gcp.workbench.Instance: a notebook machine; some changes need it stopped, and it is started again."""

import time
from typing import Any

from infra.engine.gcp.collection import Collection
from infra.engine.gcp.instance_table import INSTANCE_FIELDS
from infra.engine.gcp.rest import Cloud, finished
from infra.engine.gcp.schema import AutoName, Json, ResourceType
from infra.engine.providers import Properties, ProviderError

READY_LIMIT = 2400.0  # seconds; the real provider's own limit
STOPPING = ("machineType", "acceleratorConfigs", "shieldedInstanceConfig", "containerImage")
# The API's own spelling of each mask, as the real provider sends it.
MASKS = {
    "machineType": "gce_setup.machine_type",
    "acceleratorConfigs": "gce_setup.accelerator_configs",
    "shieldedInstanceConfig": "gce_setup.shielded_instance_config",
    "containerImage": "gce_setup.container_image",
    "metadata": "gceSetup.metadata",
    "minCpuPlatform": "gceSetup.minCpuPlatform",
}
TOP_MASKS = {
    "effectiveLabels": "labels",
    "enableDeletionProtection": "enableDeletionProtection",
    "enableManagedEuc": "enableManagedEuc",
    "enableThirdPartyIdentity": "enableThirdPartyIdentity",
}


def decode(body: Json) -> Json:
    """Keep the machine type's name only, and what the state says of health."""
    setup = dict(body.get("gceSetup") or {})
    setup["machineType"] = str(setup.get("machineType") or "").rsplit("/", 1)[-1]
    address = ("name", "healthInfo", "instanceId")
    return {key: value for key, value in body.items() if key not in address} | {"gceSetup": setup}


COLLECTION = Collection("workbench", "instances", "name", "instanceId", INSTANCE_FIELDS, decode=decode)


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Create the instance, wait until it runs, and stop it where it is wanted stopped."""
    identity, _ = COLLECTION.create(cloud, wanted)
    found = _ready(cloud, identity)
    if wanted.get("desiredState") == "STOPPED":
        _switch(cloud, identity, "stop")
        found = _get(cloud, identity)
    return identity, found


def _ready(cloud: Cloud, identity: str) -> Json:
    deadline = time.monotonic() + READY_LIMIT
    pause = 0.1
    while (found := _get(cloud, identity)).get("state") != "ACTIVE":
        if time.monotonic() > deadline:
            raise ProviderError(
                f"Notebook {identity!r} is {found.get('state')}, not ACTIVE, after {READY_LIMIT:.0f} s."
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
    return found


def _get(cloud: Cloud, identity: str) -> Json:
    found = COLLECTION.read(cloud, identity, {})
    if found is None:
        raise ProviderError(f"Notebook {identity!r} is gone. Run: invoke refresh")
    return found


def _switch(cloud: Cloud, identity: str, verb: str) -> None:
    operation = cloud.call("POST", f"{COLLECTION.url(cloud, identity)}:{verb}")
    finished(cloud, cloud.base("workbench"), operation)


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Stop where the change needs it, resize disks, patch, start again."""
    inside = _changed_setup(prior, wanted)
    state = prior.get("state")
    running = state == "ACTIVE"
    if running and inside & set(STOPPING):
        _switch(cloud, identity, "stop")
        state = "STOPPED"
    for disk, name in (("bootDisk", "bootDisk"), ("dataDisks", "dataDisk")):
        size = (_setup(wanted).get(disk) or {}).get("diskSizeGb")
        if size and size != (_setup(prior).get(disk) or {}).get("diskSizeGb"):
            _resize(cloud, identity, {name: {"diskSizeGb": size}})
    masks = [MASKS[name] for name in MASKS if name in inside] + [
        TOP_MASKS[name] for name in TOP_MASKS if name in changed
    ]
    if masks:
        _patch(cloud, identity, wanted, masks)
    target = "STOPPED" if wanted.get("desiredState") == "STOPPED" else "ACTIVE"
    if state != target and ("desiredState" in changed or running):
        _switch(cloud, identity, "stop" if target == "STOPPED" else "start")
    return _get(cloud, identity)


def _setup(state: Properties) -> Properties:
    return state.get("gceSetup") or {}


def _changed_setup(prior: Properties, wanted: Properties) -> set[str]:
    before, after = _setup(prior), _setup(wanted)
    return {name for name in {*before, *after} if (before.get(name) or None) != (after.get(name) or None)}


def _resize(cloud: Cloud, identity: str, disk: Json) -> None:
    operation = cloud.call("POST", f"{COLLECTION.url(cloud, identity)}:resizeDisk", disk)
    finished(cloud, cloud.base("workbench"), operation)


def _patch(cloud: Cloud, identity: str, wanted: Properties, masks: list[str]) -> None:
    body = _without_empty(COLLECTION.body(wanted))
    for name in ("enableDeletionProtection", "enableManagedEuc", "enableThirdPartyIdentity"):
        if name in masks:
            body[name] = bool(wanted.get(name))
    operation = cloud.call("PATCH", COLLECTION.url(cloud, identity), body, {"updateMask": ",".join(masks)})
    finished(cloud, cloud.base("workbench"), operation)


def _without_empty(value: Any) -> Any:
    """Leave out empty text: it is no value of an enumeration."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item != ""}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


INSTANCE = ResourceType(
    title="Notebook",
    properties=INSTANCE_FIELDS,
    create=create,
    read=COLLECTION.read,
    update=update,
    delete=COLLECTION.delete,
    identify=COLLECTION.identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 40, "delete": 20, "update": 20},
    autoname=AutoName("name"),
    standing=COLLECTION.identity,
    apart=(("gceSetup.containerImage", "gceSetup.vmImage"),),
)
