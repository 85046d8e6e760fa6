"""notebooks (version 2): Workbench instances. They are described, started and stopped; no machine runs."""

import re
import secrets
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.compute_networks import check_interfaces
from infra.emulator.errors import failed_precondition, invalid
from infra.emulator.kms_access import require_disk_keys
from infra.emulator.operations import finished
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import forget_policy, get_policy, set_policy

Json = dict[str, Any]

KIND = "notebooks.instances"
INSTANCE_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
TAGS = frozenset({"deeplearning-vm", "notebook-instance"})  # the service adds them to every instance
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
BOOT_DISK = {"diskSizeGb": "150", "diskType": "PD_BALANCED", "diskEncryption": "GMEK"}
DATA_DISK = {"diskSizeGb": "100", "diskType": "PD_BALANCED", "diskEncryption": "GMEK"}
MACHINE_TYPE = "e2-standard-4"
DISKS = {"bootDisk": BOOT_DISK, "dataDisk": DATA_DISK}
MUTABLE = (
    "gceSetup",
    "labels",
    "instanceOwners",
    "disableProxyAccess",
    "enableDeletionProtection",
    "enableManagedEuc",
    "enableThirdPartyIdentity",
)
STATES = {"start": "ACTIVE", "stop": "STOPPED", "reset": "ACTIVE"}
UNSET_POLICY: Json = {"version": 1}
INSTANCES = "notebooks.projects.locations.instances"


@handles(f"{INSTANCES}.create")
def create(call: Call) -> Json:
    """Create an instance under `instanceId`; it is active at once."""
    identifier = call.parameter("instanceId")
    if not INSTANCE_ID.fullmatch(identifier):
        what = "1 to 63 lower case letters, digits and hyphens, a letter first"
        raise invalid(f"Invalid instance_id {identifier!r}: {what}.", field_path="instance_id")
    setup = call.body.get("gceSetup") or {}
    require_disk_keys(call, setup)
    check_interfaces(call, call.path["parent"].split("/")[1], setup.get("networkInterfaces") or [])
    now = call.cloud.now()
    name = f"{call.path['parent']}/instances/{identifier}"
    number = str(secrets.randbelow(9 * 10**18) + 10**18)
    body = {
        **call.body,
        "gceSetup": _gce_setup(name, {**(call.body.get("gceSetup") or {}), "instanceId": number}),
        "state": "ACTIVE",
        "healthState": "HEALTHY",
        "creator": "local@example.com",
        "id": identifier,
        "name": name,
        "createTime": now,
        "updateTime": now,
    }
    if not body.get("disableProxyAccess"):
        body["proxyUri"] = f"{identifier}-dot-local.notebooks.example"
    with call.resources.transaction():
        generic.create(call, KIND, name, body)
        return _done(call, body, "create")


def _gce_setup(name: str, sent: Json) -> Json:
    """Return the machine's description with all that the service fills in."""
    project = name.split("/")[1]
    accounts = sent.get("serviceAccounts") or [{"email": f"{PROJECT_NUMBER}-compute@developer.gserviceaccount.com"}]
    disks = sent.get("dataDisks") or [{}]
    # An empty value removes its key: so does the gcp provider, which cannot send a mask for one key.
    metadata = {key: value for key, value in (sent.get("metadata") or {}).items() if value != ""}
    kept = {key: value for key, value in sent.items() if key != "metadata"}
    return {
        **kept,
        **({"metadata": metadata} if metadata else {}),
        "machineType": sent.get("machineType") or MACHINE_TYPE,
        "serviceAccounts": [{**account, "scopes": SCOPES} for account in accounts],
        "tags": sorted({*(sent.get("tags") or []), *TAGS}),
        "bootDisk": {**BOOT_DISK, **(sent.get("bootDisk") or {})},
        "dataDisks": [{**DATA_DISK, **disk} for disk in disks],
        "networkInterfaces": sent.get("networkInterfaces")
        or [{"network": f"projects/{project}/global/networks/default"}],
    }


def _done(call: Call, body: Json, verb: str) -> Json:
    return finished(call, "OperationMetadata", "Instance", body, fields={"target": body["name"], "verb": verb})


@handles(f"{INSTANCES}.get")
def get(call: Call) -> Json:
    """Return one instance."""
    return generic.get(call, KIND, call.path["name"])


@handles(f"{INSTANCES}.list")
def list_(call: Call) -> Json:
    """List a location's instances; location `-` means all."""
    project, _, location = call.path["parent"].removeprefix("projects/").partition("/locations/")
    prefix = f"projects/{project}/" if location == "-" else f"{call.path['parent']}/instances/"
    found = [body for _, body in call.resources.list(KIND, prefix)]
    taken = generic.filtered(found, call.parameter("filter"), "name", "id", "state", "creator", "healthState")
    return generic.page(call, generic.ordered(taken, call.parameter("orderBy")), "instances")


@handles(f"{INSTANCES}.patch")
def patch(call: Call) -> Json:
    """Change what the mask names; what the service computes is computed again."""
    with call.resources.transaction():
        body = get(call)
        changed = generic.patched(body, call.body, call.parameter("updateMask"), mutable=MUTABLE)
        changed["gceSetup"] = _gce_setup(body["name"], _same_machine(changed.get("gceSetup") or {}, body))
        return _done(call, _store(call, changed), "update")


def _same_machine(gce_setup: Json, body: Json) -> Json:
    return {**gce_setup, "instanceId": body["gceSetup"]["instanceId"]}


def _store(call: Call, body: Json) -> Json:
    body["updateTime"] = call.cloud.now()
    call.resources.put(KIND, body["name"], body)
    return body


@handles(*(f"{INSTANCES}.{verb}" for verb in STATES))
def switch(call: Call) -> Json:
    """Start, stop or reset an instance."""
    verb = call.method.rpartition(".")[2]
    with call.resources.transaction():
        body = get(call)
        if verb == "reset" and body["state"] != "ACTIVE":
            raise failed_precondition(f"Instance {body['name']} is {body['state']}: only an active one can be reset.")
        return _done(call, _store(call, {**body, "state": STATES[verb]}), verb)


@handles(f"{INSTANCES}.resizeDisk")
def resize_disk(call: Call) -> Json:
    """Make the boot or the data disk larger."""
    with call.resources.transaction():
        body = generic.get(call, KIND, call.path["notebookInstance"])
        named = [disk for disk in DISKS if call.body.get(disk)]
        if len(named) != 1:
            raise invalid("Exactly one of boot_disk and data_disk has to be given.", field_path="boot_disk")
        setup, size = body["gceSetup"], call.body[named[0]].get("diskSizeGb", "0")
        disk = setup["bootDisk"] if named == ["bootDisk"] else setup["dataDisks"][0]
        if int(size) < int(disk["diskSizeGb"]):
            raise invalid(f"Disk size {size} GB is below the current {disk['diskSizeGb']} GB: disks only grow.")
        disk["diskSizeGb"] = size
        return _done(call, _store(call, body), "resizeDisk")


@handles(f"{INSTANCES}.delete")
def delete(call: Call) -> Json:
    """Delete an instance and its policy."""
    with call.resources.transaction():
        body = get(call)
        if body.get("enableDeletionProtection"):
            raise failed_precondition(
                f"Instance {body['name']} is protected. Set enableDeletionProtection to false first."
            )
        call.resources.delete(KIND, body["name"])
        forget_policy(call, body["name"])
        return finished(call, "OperationMetadata", fields={"target": body["name"], "verb": "delete"})


def _instance(call: Call) -> str:
    return str(generic.get(call, KIND, call.path["resource"])["name"])


@handles(f"{INSTANCES}.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return who may use an instance."""
    return get_policy(call, _instance(call), UNSET_POLICY)


@handles(f"{INSTANCES}.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace who may use an instance."""
    return set_policy(call, _instance(call))


@handles(f"{INSTANCES}.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on an instance."""
    _instance(call)
    return test_permissions(call)
