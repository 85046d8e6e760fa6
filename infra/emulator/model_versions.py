"""Models and their versions as they are stored, and the one resource that clients see of both."""

import re
from dataclasses import dataclass

from infra.emulator.calls import Call
from infra.emulator.errors import failed_precondition, not_found
from infra.emulator.resources import Json, Resources
from infra.emulator.vertex_rules import found_errors, new_etag

MODELS = "aiplatform.models"
VERSIONS = "aiplatform.versions"
ENDPOINTS = "aiplatform.endpoints"
DEPLOYMENTS = "aiplatform.deployments"  # deployments whose server is not ready yet, by deployed model
DEFAULT = "default"
ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")

# Google's own TensorFlow containers: what they run can share machines.
PREBUILT = re.compile(
    r"(?:us|europe|asia)-docker\.pkg\.dev/vertex-ai(?:-restricted)?/prediction/tf(?:2|_opt)-[cg]pu\..+"
)
DEDICATED, SHARED = "DEDICATED_RESOURCES", "SHARED_RESOURCES"
POOLS = "aiplatform.deploymentResourcePools"
# What the service reports for a custom TensorFlow model.
SUPPORTED = {
    "supportedExportFormats": [{"id": "custom-trained", "exportableContents": ["ARTIFACT"]}],
    "supportedInputStorageFormats": ["jsonl", "bigquery", "csv", "tf-record", "tf-record-gzip", "file-list"],
    "supportedOutputStorageFormats": ["jsonl", "bigquery"],
}


@dataclass(frozen=True)
class Version:
    """One version of a model: its fields, and the folder of its artifact's copy (empty: it has none)."""

    model: str
    body: Json
    artifact: str

    @property
    def id(self) -> str:
        """The version's number as text."""
        return str(self.body["versionId"])

    @property
    def name(self) -> str:
        """The name that says the version: `…/models/M@2`."""
        return f"{self.model}@{self.id}"

    @property
    def aliases(self) -> list[str]:
        """The names that point at it."""
        return list(self.body.get("versionAliases", []))


def split_reference(reference: str) -> tuple[str, str]:
    """Split `…/models/M@2`, `…/models/M@alias` or `…/models/M` into the model's name and what is after the @."""
    model, _, version = reference.partition("@")
    return model, version


def versions_of(resources: Resources, model: str) -> list[Version]:
    """Return a model's versions, oldest first."""
    return [Version(model, record["body"], record["artifact"]) for _, record in resources.list(VERSIONS, f"{model}@")]


def put_version(resources: Resources, version: Version) -> None:
    """Store a version, new or changed, under a new etag: each has its own, for clients hold on to them."""
    resources.put(VERSIONS, version.name, {"body": {**version.body, "etag": new_etag()}, "artifact": version.artifact})


def get_model(resources: Resources, model: str) -> Json:
    """Return a model's own fields. Raises 404 where there is none."""
    body = resources.get(MODELS, model)
    if body is None:
        raise not_found(f"The Model does not exist: {model}")
    return body


def find_version(resources: Resources, reference: str) -> Version:
    """Return the version that a reference means; without @ the default one. Raises 404."""
    model, wanted = split_reference(reference)
    get_model(resources, model)
    for version in versions_of(resources, model):
        if (wanted or DEFAULT) in (version.id, *version.aliases):
            return version
    raise not_found(f"The Model version does not exist: {reference}")


def view(resources: Resources, version: Version) -> Json:
    """Return the Model that clients see: the model's fields, the version's, and where it is deployed."""
    model = get_model(resources, version.model)
    labels = {**model.get("labels", {}), **version.body.get("labels", {})}
    deployed = [
        {"endpoint": endpoint, "deployedModelId": entry["id"]}
        for endpoint, entry in deployments(resources, version.model)
        if entry.get("modelVersionId") == version.id
    ]
    types = {"supportedDeploymentResourcesTypes": _reported_types(resources, version)}
    seen = {"name": version.model, **model, **version.body, **SUPPORTED, **types}
    return seen | ({"labels": labels} if labels else {}) | ({"deployedModels": deployed} if deployed else {})


def _reported_types(resources: Resources, version: Version) -> list[str]:
    """Return what a model is said to run on: dedicated machines, as a recorded model says, until a pool is there.

    The SDK deploys to a pool only what is said to share machines.
    """
    location = version.model.rpartition("/models/")[0]
    pooled = next(iter(resources.list(POOLS, f"{location}/deploymentResourcePools/")), None)
    return [kind for kind in resource_types(version.body) if kind == DEDICATED or pooled]


def resource_types(body: Json) -> list[str]:
    """Return which machines a version can be deployed to: its own, or also those that others use."""
    image = (body.get("containerSpec") or {}).get("imageUri", "")
    return [DEDICATED, SHARED] if PREBUILT.fullmatch(image) else [DEDICATED]


def named(body: Json, reference: str) -> Json:
    """Return a Model under its version's name where a request names one: the SDK changes a version by what it read."""
    return {**body, "name": f"{body['name']}@{body['versionId']}"} if split_reference(reference)[1] else body


def deployments(resources: Resources, model: str, *, pending: bool = False) -> list[tuple[str, Json]]:
    """Return (endpoint, deployed model) of every deployment of a model, with `pending` those under way too."""
    endpoints = resources.list(ENDPOINTS)
    found = [(name, entry) for name, body in endpoints for entry in body.get("deployedModels", [])]
    if pending:
        found += [(record["endpoint"], record["deployedModel"]) for _, record in resources.list(DEPLOYMENTS)]
    return [(name, entry) for name, entry in found if entry["model"] == model]


def check_undeployed(resources: Resources, model: str, version: str = "") -> None:
    """Refuse to go on where a model, or one version of it, is deployed."""
    found = deployments(resources, model, pending=True)
    used = sorted({name for name, entry in found if version in ("", entry.get("modelVersionId"))})
    if used:
        target = f"{model}@{version}" if version else model
        endpoints = ", ".join(f'"{name}"' for name in used)
        msg = f'The Model "{target}" is deployed or being deployed at the following Endpoint(s): {endpoints}.'
        raise failed_precondition(msg)


def check_aliases(aliases: list[str], path: str) -> None:
    """Refuse aliases that the service could take for a version's number."""
    wrong = [alias for alias in aliases if not ALIAS.fullmatch(alias)]
    if wrong:
        text = f"The version alias {wrong[0]!r} must match {ALIAS.pattern}."
        raise found_errors([(path, text)])


def give_aliases(resources: Resources, version: Version, added: set[str], removed: set[str], now: str) -> Version:
    """Point aliases at a version, taking them from whichever had them; return the changed version."""
    for other in versions_of(resources, version.model):
        if other.id != version.id and added & set(other.aliases):
            _put_aliases(resources, other, set(other.aliases) - added, now)
    return _put_aliases(resources, version, (set(version.aliases) | added) - removed, now)


def _put_aliases(resources: Resources, version: Version, aliases: set[str], now: str) -> Version:
    body = {**version.body, "versionAliases": sorted(aliases), "versionUpdateTime": now}
    changed = Version(version.model, body, version.artifact)
    put_version(resources, changed)
    return changed


def touch_model(call: Call, model: str, now: str) -> None:
    """Note that a model or one of its versions changed: a new etag and update time."""
    body = get_model(call.resources, model)
    call.resources.put(MODELS, model, {**body, "updateTime": now, "etag": new_etag()})
