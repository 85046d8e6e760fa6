"""The stack that the real CLI and gcp provider made: its resources, their inputs, and a provider on the local cloud."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from infra.engine.providers import Properties, Standing

DATA = Path(__file__).parent / "data"
SECRET = "4dabf18193072939515e22adb298388d"  # Pulumi's mark of a special value
REMOVE = object()
Changes = dict[str, Any]
ENDPOINTS = {
    "artifactRegistry": "artifactregistry/v1",
    "compute": "compute/compute/beta",
    "iamBeta": "iam/v1",
    "kms": "cloudkms/v1",
    "resourceManager": "cloudresourcemanager/v1",
    "serviceUsage": "serviceusage/v1beta1",
    "storage": "storage/v1",
    "vertexAi": "aiplatform/v1beta1",
    "workbench": "notebooks/v2",
}


def settings(url: str) -> dict[str, str]:
    """Return a provider's configuration for a local cloud."""
    endpoints = {f"{api}CustomEndpoint": f"{url}/{path}/" for api, path in ENDPOINTS.items()}
    own = {"project": "demo-project", "region": "us-central1", "zone": "us-central1-a", "accessToken": "local"}
    return {**own, **endpoints}


def plain(value: Any) -> Any:
    """Return a value without its secrets: what was sealed is restored by `standing`."""
    if isinstance(value, dict):
        return None if SECRET in value else {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def real_stack() -> tuple[dict[str, str], dict[str, Standing]]:
    """Return the provider's configuration and the gcp resources that the real CLI exported."""
    resources = json.loads((DATA / "state-real.json").read_text())["deployment"]["resources"]
    inputs = next(item["inputs"] for item in resources if item["type"] == "pulumi:providers:gcp")
    config = {key: value for key, value in inputs.items() if isinstance(value, str)}
    return config, {item["urn"].rsplit("::", 1)[1]: standing(item) for item in resources if item["type"][:4] == "gcp:"}


def standing(item: dict[str, Any]) -> Standing:
    """Return one resource, its sealed values restored to what the program gave them."""
    inputs, outputs = plain(item["inputs"]), plain(item["outputs"])
    for sealed in {"effectiveLabels", "pulumiLabels"} & set(outputs):
        outputs[sealed] = {**(outputs["labels"] or {}), "goog-pulumi-provisioned": "true"}
    if "content" in inputs:
        inputs["content"] = outputs["content"] = "hello 1"
    return Standing(item["urn"], item["id"], inputs, outputs)


def program_inputs(inputs: Any) -> Any:
    """Return what the program said: the inputs without what check filled in."""
    if isinstance(inputs, dict):
        filled = {"__defaults", *inputs.get("__defaults", [])}
        return {key: program_inputs(value) for key, value in inputs.items() if key not in filled}
    return [program_inputs(item) for item in inputs] if isinstance(inputs, list) else inputs


def edited(inputs: Properties, changes: Changes) -> Properties:
    """Return inputs with the values at some dotted paths changed."""
    result: Properties = deepcopy(program_inputs(inputs))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = result
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return result


CONFIG, STACK = real_stack()
