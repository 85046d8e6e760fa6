"""The stack's configuration, read and checked once: everything that program.py deploys by."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from infra.errors import InfraError
from infra.setting_keys import refused
from infra.setting_table import CLASSIC, NAMESPACE, OWN, OWN_LABELS, SETTINGS, VERTEX
from infra.values import UploadedModel

__all__ = ["NAMESPACE", "OWN_LABELS"]  # the table's: who reads settings needs this module alone

LOCAL_TOKEN = "local"  # noqa: S105  # what the local cloud takes as a bearer token: no secret
GOOGLE_STORAGE = "https://storage.googleapis.com"

READERS = {setting.name: setting.read for setting in OWN}
# What the gcp provider reaches its APIs by. `iam…` and `cloudResourceManager…` still exist and do nothing.
LOCAL_ENDPOINTS = {
    "storage": "storage/v1/",
    "serviceUsage": "serviceusage/v1beta1/",
    "resourceManager": "cloudresourcemanager/v1/",
    "resourceManagerV3": "cloudresourcemanager/v3/",
    "iamBeta": "iam/v1/",
    "iamCredentials": "iamcredentials/v1/",
    "workbench": "notebooks/v2/",
    "vertexAi": "aiplatform/v1beta1/",
    "compute": "compute/compute/beta/",
    "artifactRegistry": "artifactregistry/v1/",
    "cloudBuild": "cloudbuild/v1/",
    "kms": "cloudkms/v1/",
}


class SettingError(InfraError):
    """A setting that cannot be used, in one line that ends with the command that mends it."""


@dataclass(frozen=True)
class Settings:
    """A stack's checked configuration; durations in the unit of their name."""

    project: str
    region: str
    zone: str
    platform: str
    state_backend: str  # "": the user's own
    bucket: str
    predictions_ttl_days: int
    soft_delete_days: int
    production: bool
    dataflow: bool
    force_destroy: bool
    labels: Mapping[str, str]
    allowed_regions: tuple[str, ...]  # empty: the stack's alone
    kms_key: str  # "": Google's; "new": the stack's own; else a key's full name
    kms_rotation_days: int
    private_network: bool
    network_range: str
    network_internet: bool
    github_repository: str  # "": none
    github_branch: str
    notebook: bool
    notebook_machine_type: str
    notebook_idle_minutes: int
    notebook_owner: str  # "": everybody who may act as the notebook's account
    machine_type: str
    endpoints: tuple[str, ...]
    keep_versions: int
    max_rmse: float  # 1,000 dollars
    models: Mapping[str, UploadedModel]
    adopt_models: Mapping[str, str]  # model ids by wrapper
    serving_image: str
    api_endpoint: str  # what aiplatform's paths (v1/projects/…) are appended to
    storage_endpoint: str

    @property
    def local(self) -> bool:
        """Whether the stack is on a local cloud, not on Google's."""
        return self.storage_endpoint != GOOGLE_STORAGE


def from_config(config: Mapping[str, Any], stack: str = "") -> Settings:
    """Check a stack's whole configuration (keys with their namespace, values as in the stack file or as text).

    Raises:
        SettingError: a value is missing, unknown or wrong; the line names stack file, key, value and remedy.
    """
    _refuse_unknown(config, stack)
    project, region = _value(config, "gcp:project", stack), _value(config, "gcp:region", stack)
    zone = _value(config, "gcp:zone", stack, SETTINGS["gcp:zone"].default_for(project, region))
    if not zone.startswith(f"{region}-"):
        raise _wrong("gcp:zone", zone, f"a zone of gcp:region {region!r}", stack, f"{region}-b")

    def setting(key: str) -> Any:
        return _value(config, key, stack, SETTINGS[key.removeprefix(f"{NAMESPACE}:")].default_for(project, region))

    read = Settings(
        project=project,
        region=region,
        zone=zone,
        api_endpoint=vertex_endpoint(config, region),
        storage_endpoint=_storage_endpoint(config),
        **{_field(each.name): setting(each.key) for each in OWN},
    )
    check_platform(read.platform, config, stack)
    _check_together(read, stack)
    return read


def read_settings() -> Settings:
    """Read the settings of the stack that Pulumi runs the program for.

    Raises:
        pulumi.RunError: as SettingError; Pulumi prints its line and no traceback.
    """
    import pulumi  # noqa: PLC0415  # half a second that tasks checking a stack file do not need
    from pulumi.runtime.config import CONFIG, get_config_env  # noqa: PLC0415  # as above

    try:
        return from_config({**get_config_env(), **CONFIG.get()}, pulumi.get_stack())
    except SettingError as error:
        raise pulumi.RunError(str(error)) from None


def local_stack_config(url: str) -> dict[str, Any]:
    """Return the complete configuration of the local stack for a local cloud's address (`http://127.0.0.1:8790`)."""
    endpoints = {f"gcp:{name}CustomEndpoint": f"{url}/{path}" for name, path in LOCAL_ENDPOINTS.items()}
    return {
        "gcp:project": "local-project",
        "gcp:region": "us-central1",
        "gcp:zone": "us-central1-a",
        "gcp:accessToken": LOCAL_TOKEN,
        "gcp:skipRegionValidation": "true",  # or the provider asks the real Compute Engine for its regions
        **endpoints,
        f"{NAMESPACE}:notebook": True,
        f"{NAMESPACE}:forceDestroy": True,
    }


def vertex_endpoint(config: Mapping[str, Any], region: str) -> str:
    """Return what aiplatform's paths are appended to: the stack's address of the API, or Google's of the region."""
    custom = str(config.get("gcp:vertexAiCustomEndpoint") or "")
    return re.sub(r"v1(beta1)?/?$", "", custom) or f"https://{region}-aiplatform.googleapis.com/"


def check_platform(name: str, config: Mapping[str, Any], stack: str) -> str:
    """Return the name of the prediction service.

    Raises:
        SettingError: it is AI Platform, and on Google Cloud, which has it no more.
    """
    host = urlsplit(str(config.get("gcp:vertexAiCustomEndpoint") or "")).hostname
    if name == CLASSIC and host not in {"127.0.0.1", "localhost", "::1"}:
        gone = "Google switched AI Platform off on 2025-01-31, only a local cloud has it; invoke migrate turns its jobs"
        remedy = f"pulumi config set {NAMESPACE}:platform {VERTEX}{_flag(stack)}"
        raise SettingError(f"{_file(stack)}{NAMESPACE}:platform is {name!r}: {gone}. Use Vertex AI, run: {remedy}")
    return name


def _field(name: str) -> str:
    """Return the attribute that a setting is read into."""
    return re.sub(r"([A-Z])", lambda letter: f"_{letter[1].lower()}", name)


def _check_together(read: Settings, stack: str) -> None:
    """Refuse settings that are right one by one and wrong together."""
    region, key = read.region, f"{NAMESPACE}:"
    if read.allowed_regions and region not in read.allowed_regions:
        wanted = f"regions with gcp:region {region!r} among them"
        raise _wrong(f"{key}allowedRegions", list(read.allowed_regions), wanted, stack, f"'[\"{region}\"]'")
    place = read.kms_key.split("/")[3] if "/" in read.kms_key else region
    if place != region:
        wanted = f"a key in gcp:region {region!r}, where the data is"
        raise _wrong(f"{key}kmsKey", read.kms_key, wanted, stack, read.kms_key.replace(f"/{place}/", f"/{region}/", 1))
    if read.network_internet and not read.private_network:
        wanted = f"false, or {key}privateNetwork true with it"
        raise _wrong(f"{key}networkInternet", True, wanted, stack, "false")


def _storage_endpoint(config: Mapping[str, Any]) -> str:
    custom = str(config.get("gcp:storageCustomEndpoint") or "")
    return re.sub(r"/storage/v1/?$", "", custom) or GOOGLE_STORAGE


def _refuse_unknown(config: Mapping[str, Any], stack: str) -> None:
    found = refused(config, local=_storage_endpoint(config) != GOOGLE_STORAGE)
    if found:
        key, problem = found
        remedy = f"Remove it, or run: pulumi config rm {key}{_flag(stack)}"
        raise SettingError(f"{_file(stack)}{key} {problem} {remedy}")


def _value(config: Mapping[str, Any], key: str, stack: str, default: Any = None) -> Any:
    name = key.removeprefix(f"{NAMESPACE}:")
    raw = config.get(key, default)
    try:
        return SETTINGS[name].read(raw)
    except ValueError as error:
        raise _wrong(key, raw, str(error), stack, SETTINGS[name].example) from None


def _wrong(key: str, raw: Any, wanted: str, stack: str, example: str) -> SettingError:
    problem = "is not set" if raw is None else f"is {raw if isinstance(raw, str) else json.dumps(raw)!r}"
    if key.endswith(":models"):
        remedy = f"Remove it, or run: pulumi config rm {key}{_flag(stack)}; then: invoke upload"
    else:
        remedy = f"Correct it there, or run: pulumi config set {key} {example}{_flag(stack)}"
    return SettingError(f"{_file(stack)}{key} {problem}; wanted: {wanted}. {remedy}")


def _file(stack: str) -> str:
    return f"infra/stacks/Pulumi.{stack}.yaml: " if stack else ""


def _flag(stack: str) -> str:
    return f" --stack {stack}" if stack else ""
