"""What a new AI Platform version is checked against: the service's rules, and what the local cloud can serve."""

import re
from pathlib import Path

from infra.emulator.classic_records import check_labels, checked_name, field_error, wrong_state
from infra.emulator.errors import ApiError, unimplemented
from infra.emulator.resources import Json

FIELDS = (
    "description",
    "deploymentUri",
    "runtimeVersion",
    "pythonVersion",
    "framework",
    "machineType",
    "acceleratorConfig",
    "autoScaling",
    "manualScaling",
    "serviceAccount",
    "explanationConfig",
    "labels",
)
RUNTIME = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")
LEGACY_MACHINE = "mls1-c1-m2"
MEGABYTE = 1024 * 1024
MACHINES = re.compile(r"mls1-c1-m2|mls1-c4-m2|n1-(?:standard|highmem|highcpu)-[0-9]{1,2}")
CUSTOM = {
    "container": "custom containers",
    "predictionClass": "custom prediction routines",
    "packageUris": "custom prediction routines",
}


def new_version(parent: str, sent: Json, now: str) -> Json:
    """Return the fields of a version that is about to be made. Raises 400, or 501 for what needs other runtimes."""
    name = checked_name(sent.get("name", ""), "version.name")
    check_labels(sent, "version")
    _check_runtime(sent)
    _check_scaling(sent)
    _check_servable(sent)
    if not sent.get("deploymentUri"):
        raise field_error("version.deployment_uri", "Deployment URI must be specified.")
    defaults = {"framework": "TENSORFLOW", "machineType": LEGACY_MACHINE}
    fields = {**defaults, **{field: sent[field] for field in FIELDS if sent.get(field)}}
    if not MACHINES.fullmatch(fields["machineType"]):
        raise field_error("version.machine_type", f"Machine type {fields['machineType']!r} is not supported.")
    return {"name": f"{parent}/versions/{name}", **fields, "createTime": now}


def runtime(text: str) -> tuple[int, int]:
    """Return a runtime version as numbers that compare."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _check_runtime(sent: Json) -> None:
    wanted, python = sent.get("runtimeVersion", ""), sent.get("pythonVersion", "")
    if not RUNTIME.fullmatch(wanted):
        raise field_error(
            "version.runtime_version", f"Runtime version {wanted!r} is not of the form 2.1. It is needed."
        )
    number = runtime(wanted)
    known = {"3.7": number >= (1, 15), "3.5": (1, 4) <= number <= (1, 14), "2.7": number <= (1, 15)}
    if not known.get(python):
        fitting = " or ".join(repr(name) for name, fits in known.items() if fits)
        text = f"Python version {python!r} is not available with runtime version {wanted}. Use {fitting}."
        raise field_error("version.python_version", text)


def _check_scaling(sent: Json) -> None:
    if sent.get("autoScaling") and sent.get("manualScaling"):
        raise field_error("version.manual_scaling", "Only one of auto_scaling and manual_scaling can be set.")


def _check_servable(sent: Json) -> None:
    for field, what in CUSTOM.items():
        if sent.get(field):
            raise unimplemented(f"The local cloud serves TensorFlow SavedModels, it does not run {what}.")
    framework = sent.get("framework", "TENSORFLOW")
    if framework not in {"TENSORFLOW", "FRAMEWORK_UNSPECIFIED"}:
        raise unimplemented(f"The local cloud serves TensorFlow SavedModels, no models of framework {framework}.")


def check_size(folder: Path, version: Json) -> None:
    """Refuse a model that is too large for its machine: 500 MB, or 10 GB on Compute Engine's machines."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    allowed = (500 if version["machineType"].startswith("mls1") else 10 * 1024) * MEGABYTE
    if size > allowed:
        uri = version["deploymentUri"]
        text = (
            f"The total size of files in {uri} is {size} bytes, which exceeds the allowed maximum of {allowed} bytes."
        )
        raise wrong_state("version.deployment_uri", text)


def uri_error(error: ApiError, field: str = "version.deployment_uri") -> ApiError:
    """Put a refusal of a model's folder into AI Platform's words."""
    return wrong_state(field, error.message.replace("artifactUri", field.rpartition(".")[2]))
