"""AI Platform's models and versions as they are stored, what clients see of both, and its form of saying no."""

import base64
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.emulator.errors import ApiError, aborted, invalid
from infra.emulator.resources import Json, Resources
from infra.emulator.vertex_rules import label_findings, mask_paths

MODELS = "ml.models"
VERSIONS = "ml.versions"
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,127}")
NAME_RULE = "A name should start with a letter and contain only letters, numbers and underscores."
PAGE, LARGEST_PAGE = 20, 100
# Where AI Platform Prediction was, by its page of regions.
REGIONS = (
    *("asia-east1", "asia-northeast1", "asia-southeast1", "australia-southeast1", "europe-west1", "europe-west2"),
    *("europe-west3", "europe-west4", "northamerica-northeast1", "southamerica-east1", "us-central1", "us-east1"),
    *("us-east4", "us-west1"),
)


@dataclass(frozen=True)
class Model:
    """A model: its fields, and the name of its default version (empty while it has none)."""

    body: Json
    default: str = ""


@dataclass(frozen=True)
class Version:
    """A version: its fields, the folder of its artifact's copy, and the operation that makes it while it is made."""

    body: Json
    artifact: str = ""
    operation: str = ""

    @property
    def name(self) -> str:
        """The full name: `projects/P/models/M/versions/V`."""
        return str(self.body["name"])


def field_error(field: str, text: str, code: int = 400, status: str = "") -> ApiError:
    """Make a refusal as AI Platform words it: `Field: model.name Error: …`, with the field in a BadRequest detail."""
    found = invalid(text, field_path=field)
    return ApiError(code, f"Field: {field} Error: {text}", status=status, details=found.details)


def wrong_state(field: str, text: str) -> ApiError:
    """Make the 400 FAILED_PRECONDITION for what the state forbids."""
    return field_error(field, text, status="FAILED_PRECONDITION")


def checked_name(name: str, field: str) -> str:
    """Return a new resource's name; raises 400 where it cannot be one."""
    if not NAME.fullmatch(name):
        raise field_error(field, NAME_RULE)
    return name


def check_region(region: str, field: str) -> None:
    """Refuse a region that AI Platform Prediction was not in."""
    if region not in REGIONS:
        raise field_error(field, f"The region {region!r} is not supported. Supported: {', '.join(REGIONS)}.")


def check_labels(body: Mapping[str, Any], field: str) -> None:
    """Refuse labels that Google Cloud does not take."""
    for path, text in label_findings(body, field):
        raise field_error(path, text)


def new_etag() -> str:
    """Make an etag: bytes, which travel as base64."""
    return base64.b64encode(secrets.token_bytes(8)).decode()


def check_etag(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Refuse a change that was made from an older reading of the resource."""
    if sent.get("etag") and sent["etag"] != stored.get("etag"):
        raise aborted("The etag is not the current one. Read the resource again and repeat the change.")


def masked_paths(mask: str, allowed: Iterable[str]) -> list[str]:
    """Return an update mask's paths; raises 400 where it is empty or names what cannot be changed."""
    paths = mask_paths(mask)
    if not paths:
        raise field_error("update_mask", "The update mask is required and must not be empty.")
    for path in paths:
        if not any(path == name or path.startswith(f"{name}.") for name in (*allowed, "labels", "etag")):
            text = f"The field {path!r} can not be updated. Updatable: {', '.join([*allowed, 'labels'])}."
            raise field_error("update_mask", text)
    return [path for path in paths if path != "etag"]


def get_model(resources: Resources, name: str, field: str = "name") -> Model:
    """Return a model. Raises 404 with the service's advice."""
    found = resources.get(MODELS, name)
    if found is None:
        short = name.rpartition("/")[2]
        advice = f"Please create the model resource first by using 'gcloud ai-platform models create {short}'."
        raise field_error(field, f'The model resource: "{short}" was not found. {advice}', 404)
    return Model(**found)


def put_model(resources: Resources, model: Model) -> None:
    """Store a model under a new etag."""
    body = {**model.body, "etag": new_etag()}
    resources.put(MODELS, body["name"], asdict(Model(body, model.default)))


def model_of(version: str) -> str:
    """Return the name of the model that a version belongs to."""
    return version.partition("/versions/")[0]


def find_version(resources: Resources, name: str) -> Version | None:
    """Return a version, or None."""
    found = resources.get(VERSIONS, name)
    return Version(**found) if found else None


def get_version(resources: Resources, name: str, field: str = "name") -> Version:
    """Return a version. Raises 404, also where its model is not there."""
    get_model(resources, model_of(name), field)
    found = find_version(resources, name)
    if found is None:
        raise field_error(field, f'The version resource: "{name.rpartition("/")[2]}" was not found.', 404)
    return found


def put_version(resources: Resources, version: Version) -> None:
    """Store a version under a new etag."""
    body = {**version.body, "etag": new_etag()}
    resources.put(VERSIONS, version.name, {**asdict(version), "body": body})


def versions_of(resources: Resources, model: str) -> list[Version]:
    """Return a model's versions, oldest first."""
    return [Version(**record) for _, record in resources.list(VERSIONS, f"{model}/versions/")]


def version_view(resources: Resources, version: Version) -> Json:
    """Return a version as clients see it."""
    model = resources.get(MODELS, model_of(version.name)) or {}
    default = model.get("default") == version.name.rpartition("/")[2]
    return {**version.body, **({"isDefault": True} if default else {})}


def model_view(resources: Resources, model: Model) -> Json:
    """Return a model as clients see it: with its default version once there is one."""
    name = f"{model.body['name']}/versions/{model.default}"
    default = find_version(resources, name) if model.default else None
    return {**model.body, **({"defaultVersion": version_view(resources, default)} if default else {})}


def default_version(resources: Resources, name: str, field: str = "name") -> Version:
    """Return the version that a model's or a version's name means. Raises 404, or 400 where there is no default."""
    if "/versions/" in name:
        return get_version(resources, name, field)
    model = get_model(resources, name, field)
    if not model.default:
        short = name.rpartition("/")[2]
        raise wrong_state(field, f'The model "{short}" has no default version. Please create a version first.')
    return get_version(resources, f"{name}/versions/{model.default}", field)
