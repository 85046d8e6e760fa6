"""The rules: pure functions over a resource's type and inputs and the stack's configuration.

Nothing but the standard library: the embedded engine loads this file by its path, and the Pulumi CLI runs it in the
policy pack's own environment. Inputs have the names that the engines give them (`uniformBucketLevelAccess`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what Pulumi writes for a value that only `up` will know
NAMESPACE = "keras-batch-prediction"
KEY_SETTING = f"{NAMESPACE}:kmsKey"
BUCKET = "gcp:storage/bucket:Bucket"
NOTEBOOK = "gcp:workbench/instance:Instance"
MODEL = "pulumi-python:dynamic/prediction:Model"
LABELLED = {
    BUCKET,
    NOTEBOOK,
    MODEL,
    "gcp:vertex/aiEndpoint:AiEndpoint",
    "gcp:artifactregistry/repository:Repository",
}
ENCRYPTED = LABELLED
REQUIRED_LABELS = ("app", "stack")
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
MIGHTY = ("roles/owner", "roles/editor")
KEY_NAMES = ("defaultKmsKeyName", "kmsKeyName", "kmsKey", "kms_key_name")

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
    """Answer where a resource is outside of the stack's region."""
    allowed = config.get("gcp:region", "")
    if not type_.startswith(("gcp:", MODEL)) or not allowed:
        return ""
    for key in ("location", "region", "zone"):
        place = inputs.get(key)
        if isinstance(place, str) and place != UNKNOWN and _region(place) not in (allowed, "global"):
            return f"{key} is {place!r}; wanted: region {allowed!r}"
    return ""


def encrypted_with_the_key(type_: str, inputs: Inputs, config: Config) -> str:
    """Answer whether a resource lacks the key that the stack names."""
    key = config.get(KEY_SETTING, "")
    if not key or type_ not in ENCRYPTED:
        return ""
    used = {value for name, value in _pairs(inputs) if name in KEY_NAMES and value}
    if not used:
        return f"it is encrypted with a key of Google's; wanted: {key!r}"
    others = sorted(str(value) for value in used - {key, UNKNOWN})
    return f"it is encrypted with {others[0]!r}; wanted: {key!r}" if others else ""


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
    Rule("region", "Everything is in the stack's region.", in_the_region),
    Rule("own-key", "Data is encrypted with the stack's key, where it names one.", encrypted_with_the_key),
    Rule("no-public-address", "A notebook has no public address.", not_on_the_internet),
)


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
