"""Every property of gcp.workbench.Instance."""

from infra.engine.gcp import settling
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LABELS,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    UNREAD,
    Fields,
    block,
    blocks,
    boolean,
    mapping,
    string,
    strings,
)

ENCRYPTIONS = ("GMEK", "CMEK")
DISKS = ("PD_STANDARD", "PD_SSD", "PD_BALANCED", "PD_EXTREME")
ACCELERATORS = (
    "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB", "NVIDIA_L4", "NVIDIA_TESLA_T4_VWS", "NVIDIA_TESLA_P100_VWS", "NVIDIA_TESLA_P4_VWS",
)  # fmt: skip

BOOT_DISK: Fields = {
    "diskEncryption": string(COMPUTED, NEW, choices=ENCRYPTIONS),
    "diskSizeGb": string(COMPUTED),
    "diskType": string(COMPUTED, NEW, UNREAD, choices=DISKS),
    "kmsKey": string(NEW, settle=settling.own_prefix),
}

DATA_DISK: Fields = {
    "diskEncryption": string(COMPUTED, NEW, choices=ENCRYPTIONS),
    "diskSizeGb": string(COMPUTED),
    "diskType": string(NEW, UNREAD, choices=DISKS),
    "kmsKey": string(NEW, settle=settling.own_prefix),
    "resourcePolicies": strings(NEW),
}

NETWORK: Fields = {
    "accessConfigs": blocks({"externalIp": string(REQUIRED, NEW)}, COMPUTED, NEW),
    "network": string(COMPUTED, NEW, settle=settling.relative_path),
    "nicType": string(NEW, choices=("VIRTIO_NET", "GVNIC")),
    "subnet": string(COMPUTED, NEW, settle=settling.relative_path),
}

RESERVATION: Fields = {
    "consumeReservationType": string(
        COMPUTED, NEW, choices=("RESERVATION_NONE", "RESERVATION_ANY", "RESERVATION_SPECIFIC")
    ),
    "key": string(NEW),
    "values": strings(NEW),
}

SHIELDED: Fields = {
    "enableIntegrityMonitoring": boolean(),
    "enableSecureBoot": boolean(),
    "enableVtpm": boolean(),
}

GCE_SETUP: Fields = {
    "acceleratorConfigs": blocks({"coreCount": string(), "type": string(choices=ACCELERATORS)}),
    "bootDisk": block(BOOT_DISK, COMPUTED),
    "computeInstanceId": string(OUTPUT, api="instanceId"),
    "confidentialInstanceConfig": block({"confidentialInstanceType": string(choices=("SEV",))}, NEW),
    "containerImage": block({"repository": string(REQUIRED), "tag": string()}),
    "dataDisks": block(DATA_DISK, COMPUTED, wrapped=True),
    "disablePublicIp": boolean(COMPUTED, NEW),
    "enableIpForwarding": boolean(NEW),
    "machineType": string(COMPUTED, settle=settling.last_segment),
    "metadata": mapping(COMPUTED, settle=settling.metadata, forces=settling.metadata_forces, missing=None),
    "minCpuPlatform": string(),
    "networkInterfaces": blocks(NETWORK, COMPUTED, NEW),
    "reservationAffinity": block(RESERVATION, COMPUTED, NEW),
    "serviceAccounts": blocks({"email": string(COMPUTED, NEW), "scopes": strings(OUTPUT)}, COMPUTED, NEW),
    "shieldedInstanceConfig": block(SHIELDED, COMPUTED),
    "tags": strings(COMPUTED, NEW, settle=settling.tags),
    "vmImage": block({"family": string(NEW), "name": string(NEW), "project": string(NEW)}, COMPUTED, NEW, UNREAD),
}

UPGRADE: Fields = {
    name: string(OUTPUT)
    for name in (
        "action", "containerImage", "createTime", "framework", "snapshot", "state", "targetVersion", "version",
        "vmImage",
    )
}  # fmt: skip

INSTANCE_FIELDS: Fields = {
    "name": string(NEW, LOCAL),
    "location": string(REQUIRED, NEW, LOCAL),
    "instanceId": string(NEW, LOCAL),
    "project": PROJECT,
    **LABELS,
    "deletionPolicy": DELETION,
    "desiredState": string(LOCAL, default="ACTIVE"),
    "disableProxyAccess": boolean(NEW),
    "enableDeletionProtection": boolean(),
    "enableManagedEuc": boolean(),
    "enableThirdPartyIdentity": boolean(),
    "gceSetup": block(GCE_SETUP, COMPUTED),
    "instanceOwners": strings(NEW, UNREAD),
    "createTime": string(OUTPUT),
    "creator": string(OUTPUT),
    "healthInfos": blocks({}, OUTPUT, tf="health_info"),
    "healthState": string(OUTPUT),
    "proxyUri": string(OUTPUT),
    "state": string(OUTPUT),
    "updateTime": string(OUTPUT),
    "upgradeHistories": blocks(UPGRADE, OUTPUT, tf="upgrade_history"),
}
