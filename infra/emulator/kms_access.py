"""Whether a service may encrypt with a customer's key: what storage, Vertex AI and Workbench ask before they store."""

from typing import Any

from infra.emulator.calls import PROJECT_NUMBER, Call
from infra.emulator.errors import ApiError, failed_precondition, invalid
from infra.emulator.kms_versions import KEYS, VERSIONS
from infra.emulator.policies import KIND as POLICIES

Json = dict[str, Any]

ROLES = {
    "roles/cloudkms.cryptoKeyEncrypterDecrypter",
    "roles/cloudkms.cryptoKeyEncrypterDecrypterViaDelegation",
    "roles/cloudkms.cryptoOperator",
}
AGENTS = {
    "aiplatform": "gcp-sa-aiplatform",
    "artifactregistry": "gcp-sa-artifactregistry",
    "compute": "compute-system",
    "notebooks": "gcp-sa-notebooks",
    "storage": "gs-project-accounts",
}


PLACES = {"eu": "europe"}  # multi-regions of storage that Cloud KMS calls otherwise


def agent(api: str) -> str:
    """Return the address of the account that an API acts as in the local projects."""
    return f"service-{PROJECT_NUMBER}@{AGENTS[api]}.iam.gserviceaccount.com"


def require_key(call: Call, key: str, location: str, api: str) -> None:
    """Refuse a key that is elsewhere, is not there, has no enabled version, or that the API's agent may not use."""
    if not key:
        return
    parts = key.split("/")
    if len(parts) < 8 or parts[::2][:4] != ["projects", "locations", "keyRings", "cryptoKeys"]:
        raise invalid(f"Malformed Cloud KMS crypto key: {key}.", reason="invalid")
    if parts[3] not in (PLACES.get(location.lower(), location.lower()), "global"):
        raise invalid(
            f"The key {key} is in {parts[3]}; a resource in {location.lower()} wants one of its own location."
        )
    name = "/".join(parts[:8])
    stored = call.resources.get(KEYS, name)
    if stored is None or not _granted(call, name, f"serviceAccount:{agent(api)}"):
        raise ApiError(403, _denied(name, api), reason="forbidden")
    version = call.resources.get(VERSIONS, stored.get("primary", "")) or {}
    if version.get("state") != "ENABLED":
        raise failed_precondition(
            f"{version.get('name', name)} is not enabled, current state is: {version.get('state')}."
        )


def require_vertex_key(call: Call, sent: Json) -> None:
    """Refuse the key of an `encryptionSpec` that Vertex AI's agent could not use."""
    key = (sent.get("encryptionSpec") or {}).get("kmsKeyName") or ""
    require_key(call, key, call.path["parent"].rpartition("/locations/")[2], "aiplatform")


def require_disk_keys(call: Call, setup: Json) -> None:
    """Refuse the keys of a notebook's disks: Workbench and Compute Engine both have to be able to use them."""
    region = call.path["parent"].rpartition("/locations/")[2].rpartition("-")[0]
    for disk in [setup.get("bootDisk") or {}, *(setup.get("dataDisks") or [])]:
        if bool(disk.get("kmsKey")) != (disk.get("diskEncryption") == "CMEK"):
            raise invalid("A disk has a kms_key if and only if its disk_encryption is CMEK.", field_path="gce_setup")
        for api in ("notebooks", "compute"):
            require_key(call, disk.get("kmsKey", ""), region, api)


def _denied(key: str, api: str) -> str:
    if api == "storage":  # the service's own words
        authorized = (
            f"Please ensure that your Cloud Storage service account has been authorized to use this key: {key}."
        )
        return f"Permission denied on Cloud KMS key. {authorized}"
    what = "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource"
    return f"{what} '{key}' (or it may not exist) for {agent(api)}."


def _granted(call: Call, key: str, member: str) -> bool:
    project, ring = "/".join(key.split("/")[:2]), key.rpartition("/cryptoKeys/")[0]
    policies = (call.resources.get(POLICIES, name) or {} for name in (key, ring, project))
    return any(
        binding["role"] in ROLES and member in binding["members"]
        for policy in policies
        for binding in policy.get("bindings", ())
    )
