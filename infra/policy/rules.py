"""The rules: pure functions over a resource's type and inputs and the stack's configuration.

Nothing but the standard library: the embedded engine loads this file by its path, and the Pulumi CLI runs it in the
policy pack's own environment. Inputs have the names that the engines give them (`uniformBucketLevelAccess`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what Pulumi writes for a value that only `up` will know
NAMESPACE = "keras-batch-prediction"
KEY_SETTING = f"{NAMESPACE}:kmsKey"
NETWORK_SETTING = f"{NAMESPACE}:privateNetwork"
REGIONS_SETTING = f"{NAMESPACE}:allowedRegions"
BUCKET = "gcp:storage/bucket:Bucket"
NOTEBOOK = "gcp:workbench/instance:Instance"
MODEL = "pulumi-python:dynamic/prediction:Model"
CRYPTO_KEY = "gcp:kms/cryptoKey:CryptoKey"
FIREWALL = "gcp:compute/firewall:Firewall"
POOL_PROVIDER = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
PROJECT_GRANTS = tuple(f"gcp:projects/{kind}" for kind in ("iAMMember:IAMMember", "iAMBinding:IAMBinding"))
ENCRYPTED = {BUCKET, NOTEBOOK, MODEL, "gcp:vertex/aiEndpoint:AiEndpoint"}  # where data is
LABELLED = {*ENCRYPTED, CRYPTO_KEY, "gcp:artifactregistry/repository:Repository"}
REQUIRED_LABELS = ("app", "stack")
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
MIGHTY = ("roles/owner", "roles/editor")
KEY_NAMES = ("defaultKmsKeyName", "kmsKeyName", "kmsKey", "kms_key_name")
NEW_KEY = "new"  # the setting's word for a key that the stack makes
DISKS = ("bootDisk", "dataDisks")
ON_THE_RESOURCE = (
    "roles/storage.",
    "roles/iam.serviceAccountUser",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.workloadIdentityUser",
    "roles/cloudkms.cryptoKey",
)
EVERYWHERE = ("0.0.0.0/0", "::/0")

Inputs = Mapping[str, Any]
Config = Mapping[str, str]
Check = Callable[[str, Inputs, Config], str]


@dataclass(frozen=True)
class Rule:
    """One rule; `check` answers what is wrong with a resource, or ""."""

    name: str
    description: str
    check: Check


def violations(type_: str, inputs: Inputs, config: Config) -> list[str]:
    """Return one line for each rule that a resource breaks: the rule's name, what is wrong, what is wanted."""
    found = ((rule.name, rule.check(type_, inputs, config)) for rule in RULES)
    return [f"{name}: {problem}" for name, problem in found if problem]


def no_public_access(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether anybody at all may read data or act on a resource."""
    prevention = inputs.get("publicAccessPrevention")
    if type_ == BUCKET and prevention not in ("enforced", UNKNOWN):
        return f"publicAccessPrevention is {prevention!r}; wanted: 'enforced'"
    public = [text for text in _texts(inputs) if text in EVERYBODY] if type_.startswith("gcp:") else []
    return f"{public[0]} is granted something; wanted: named accounts" if public else ""


def uniform_access(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether a bucket's objects could have access lists of their own."""
    uniform = inputs.get("uniformBucketLevelAccess")
    if type_ == BUCKET and uniform not in (True, UNKNOWN):
        return f"uniformBucketLevelAccess is {uniform!r}; wanted: True"
    return ""


def no_mighty_role(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether somebody gets to own or edit anything."""
    mighty = [text for text in _texts(inputs) if text in MIGHTY] if type_.startswith("gcp:") else []
    return f"it grants {mighty[0]}; wanted: the roles that are needed and no more" if mighty else ""


def no_stored_key(type_: str, _inputs: Inputs, _config: Config) -> str:
    """Answer whether a service account gets a key that somebody can copy."""
    return "it makes a key that can be copied; wanted: none" if type_ == "gcp:serviceaccount/key:Key" else ""


def labelled(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer which labels, by which the stack's things are found and paid for, are missing."""
    labels = inputs.get("labels")
    if type_ not in LABELLED or labels == UNKNOWN:
        return ""
    missing = [key for key in REQUIRED_LABELS if not isinstance(labels, Mapping) or not labels.get(key)]
    return f"it lacks the labels {', '.join(missing)}" if missing else ""


def in_the_region(type_: str, inputs: Inputs, config: Config) -> str:
    """Answer where a resource is outside of the stack's region, or of the regions that the stack allows."""
    region = config.get("gcp:region", "")
    allowed = _list(config.get(REGIONS_SETTING, "")) or ([region] if region else [])
    if not type_.startswith(("gcp:", MODEL)) or not allowed:
        return ""
    for key in ("location", "region", "zone"):
        place = inputs.get(key)
        if isinstance(place, str) and place != UNKNOWN and _region(place) not in (*allowed, "global"):
            return f"{key} is {place!r}; wanted: region {' or '.join(map(repr, allowed))}"
    return ""


def encrypted_with_the_key(type_: str, inputs: Inputs, config: Config) -> str:
    """Answer whether a resource lacks the key that the stack names, or any where the stack makes one."""
    key = config.get(KEY_SETTING, "")
    if not key or type_ not in ENCRYPTED:
        return ""
    wanted = "the stack's own" if key == NEW_KEY else repr(key)
    setup = inputs.get("gceSetup")
    parts = [setup.get(disk) for disk in DISKS] if type_ == NOTEBOOK and isinstance(setup, Mapping) else [inputs]
    for part in parts:
        used = {UNKNOWN} if part == UNKNOWN else {item for name, item in _pairs(part) if name in KEY_NAMES and item}
        if not used:
            return f"it is encrypted with a key of Google's; wanted: {wanted}"
        others = sorted(str(value) for value in used - {key, UNKNOWN}) if key != NEW_KEY else []
        if others:
            return f"it is encrypted with {others[0]!r}; wanted: {wanted}"
    return ""


def key_rotates(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether a key that encrypts stays the same for ever."""
    if type_ == CRYPTO_KEY and inputs.get("purpose", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT":
        return "" if inputs.get("rotationPeriod") else "rotationPeriod is None; wanted: a period such as '7776000s'"
    return ""


def in_the_network(type_: str, inputs: Inputs, config: Config) -> str:
    """Answer whether a notebook is outside of the private network, where the stack has one."""
    if config.get(NETWORK_SETTING, "").lower() != "true" or type_ != NOTEBOOK:
        return ""
    setup = inputs.get("gceSetup")
    interfaces = setup.get("networkInterfaces") if isinstance(setup, Mapping) else setup
    if interfaces == UNKNOWN or (isinstance(interfaces, list | tuple) and interfaces and all(map(_placed, interfaces))):
        return ""
    return "gceSetup.networkInterfaces names no subnetwork; wanted: the stack's private one"


def closed_to_the_internet(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether a firewall lets every address in."""
    if type_ != FIREWALL or inputs.get("direction", "INGRESS") == "EGRESS" or not inputs.get("allows"):
        return ""
    named = [inputs.get(key) for key in ("sourceRanges", "sourceTags", "sourceServiceAccounts")]
    opened = [text for text in _texts({"": inputs.get("sourceRanges")}) if text in EVERYWHERE]
    if opened or not any(named):
        return f"it lets {opened[0] if opened else EVERYWHERE[0]} in; wanted: known addresses"
    return ""


def bound_to_the_resource(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether a role over data, accounts or keys is granted on the whole project."""
    role = inputs.get("role")
    if type_ in PROJECT_GRANTS and isinstance(role, str) and role.startswith(ON_THE_RESOURCE):
        return f"it grants {role} on the whole project; wanted: on the bucket, account or key that it is for"
    return ""


def federated_by_condition(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether tokens of an issuer that many share are taken from everybody."""
    if type_ == POOL_PROVIDER and not inputs.get("attributeCondition"):
        return "attributeCondition is None; wanted: one that names the repository or owner whose tokens are taken"
    whole = [text for text in _texts(inputs) if re.search(r"principalSet://.*/workloadIdentityPools/[^/]+/\*$", text)]
    return f"{whole[0]} is granted something; wanted: one repository's identities" if whole else ""


def not_on_the_internet(type_: str, inputs: Inputs, _config: Config) -> str:
    """Answer whether a notebook has an address that the whole internet reaches."""
    setup = inputs.get("gceSetup")
    disabled = setup.get("disablePublicIp") if isinstance(setup, Mapping) else setup
    if type_ == NOTEBOOK and disabled not in (True, UNKNOWN):
        return f"gceSetup.disablePublicIp is {disabled!r}; wanted: True"
    return ""


RULES = (
    Rule("no-public-access", "Nothing is open to everybody.", no_public_access),
    Rule("uniform-access", "A bucket's access is by IAM alone.", uniform_access),
    Rule("no-owner-or-editor", "Nobody is made owner or editor.", no_mighty_role),
    Rule("no-stored-key", "No service account has a key to copy.", no_stored_key),
    Rule("labels", "What takes labels says which stack it is of.", labelled),
    Rule("region", "Everything is in the stack's region, or in one of those that it allows.", in_the_region),
    Rule("own-key", "Data is encrypted with the stack's key, where it names one.", encrypted_with_the_key),
    Rule("key-rotation", "A key that encrypts is renewed.", key_rotates),
    Rule("no-public-address", "A notebook has no public address.", not_on_the_internet),
    Rule("private-network", "A notebook is in the stack's private network, where it has one.", in_the_network),
    Rule("no-open-firewall", "No firewall lets every address in.", closed_to_the_internet),
    Rule(
        "bound-roles",
        "Roles over data, accounts and keys are granted on these, not on the project.",
        bound_to_the_resource,
    ),
    Rule("federation", "An identity pool takes the tokens of named identities only.", federated_by_condition),
)


def _list(text: str) -> list[str]:
    """Return a setting's list from its JSON text; what is none is refused where settings are read."""
    try:
        found = json.loads(text) if text else []
    except ValueError:
        return []
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def _placed(interface: Any) -> bool:
    return interface == UNKNOWN or (isinstance(interface, Mapping) and bool(interface.get("subnet")))


def _region(place: str) -> str:
    """Return the region of a region or zone, however it is written."""
    return re.sub(r"-[a-z]$", "", place.lower())


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk all keys and plain values of inputs."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str):
                yield str(key), item
            else:
                yield from _pairs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from (("", item),) if isinstance(item, str) else _pairs(item)


def _texts(inputs: Inputs) -> Iterator[str]:
    return (text for _, text in _pairs(inputs))
