"""AI Platform's versions -> running model servers; ml projects.predict and getConfig."""

import hashlib
import threading
from concurrent.futures import Future

import orjson
from starlette.responses import Response

from infra.emulator import model_servers
from infra.emulator.calls import PROJECT_NUMBER, Call, Cloud, handles
from infra.emulator.classic_models import READY
from infra.emulator.classic_records import VERSIONS, Version, default_version, field_error, wrong_state
from infra.emulator.dispatch import json_response
from infra.emulator.errors import invalid
from infra.emulator.model_artifacts import artifacts_folder
from infra.emulator.resources import Json

LIMIT = 1_572_864  # 1.5 MB
MINUTE = len("2020-01-01T00:00")
CREATE = "ml.projects.models.versions.create"
HEALTH, PREDICT = "/health", "/predict"
UNAVAILABLE = (
    "Online prediction is unavailable for this version. Please verify that CreateVersion has completed successfully."
)

_lock = threading.Lock()


def serve(cloud: Cloud, version: Version) -> Future[model_servers.Running]:
    """Start a version's server."""
    environment = {
        "AIP_MODE": "PREDICTION",
        "AIP_DIALECT": "ai-platform",
        "AIP_PROJECT_NUMBER": PROJECT_NUMBER,
        "AIP_STORAGE_URI": str(artifacts_folder(cloud) / version.artifact),
    }
    folder = cloud.state / "servers" / f"ml-{hashlib.sha256(version.name.encode()).hexdigest()[:24]}"
    delay = model_servers.slow_start(cloud, CREATE)
    return model_servers.start(version.name, model_servers.Launch(folder, environment, HEALTH, PREDICT, delay))


@handles("ml.projects.predict")
def predict(call: Call) -> Response:
    """Answer the instances in their order; where one fails, the answer is `{"error": …}` alone, with status 200."""
    if len(call.content) > LIMIT:
        raise invalid(f"Request payload size exceeds the limit: {LIMIT} bytes.")
    if not isinstance(call.body.get("instances"), list):
        raise invalid('Missing required instances field in the request body: {"instances": […]}.')
    version = default_version(call.resources, _named(call))
    if version.body["state"] != READY:
        raise wrong_state("name", UNAVAILABLE)
    _woken(call.cloud, version)
    _note_use(call, version)
    status, answer = model_servers.predict(version.name, call.content)
    if status != 200:
        return json_response({"error": _error_text(answer)})
    if len(answer) > LIMIT:
        raise invalid(f"Response size too large. Received at least {len(answer)} bytes; max is {LIMIT}.")
    return Response(answer, media_type="application/json; charset=UTF-8")


def _named(call: Call) -> str:
    name = call.path["name"]
    parts = name.split("/")
    if parts[2:3] != ["models"] or len(parts) not in {4, 6} or parts[4:5] not in ([], ["versions"]):
        raise field_error("name", f"{name!r} is not of the form projects/PROJECT/models/MODEL[/versions/VERSION].")
    return name


def _woken(cloud: Cloud, version: Version) -> None:
    """Start the server of a version that has none: the cloud was started again since it was made."""
    with _lock:
        if not model_servers.known(version.name):
            serve(cloud, version)


def _note_use(call: Call, version: Version) -> None:
    """Note the time of use, to the minute: predictions come faster than a database writes."""
    now = call.cloud.now()
    if str(version.body.get("lastUseTime", ""))[:MINUTE] == now[:MINUTE]:
        return
    with call.resources.transaction():
        record = call.resources.get(VERSIONS, version.name)
        if record is not None:
            call.resources.put(VERSIONS, version.name, {**record, "body": {**record["body"], "lastUseTime": now}})


def _error_text(answer: bytes) -> str:
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError:
        body = None
    return str(body["error"]) if isinstance(body, dict) and "error" in body else answer.decode(errors="replace")


@handles("ml.projects.getConfig")
def get_config(_: Call) -> Json:
    """Return the accounts in whose name AI Platform reads and writes a project's data."""
    return {
        "serviceAccount": f"service-{PROJECT_NUMBER}@cloud-ml.google.com.iam.gserviceaccount.com",
        "serviceAccountProject": PROJECT_NUMBER,
        "config": {"tpuServiceAccount": f"service-{PROJECT_NUMBER}@cloud-tpu.iam.gserviceaccount.com"},
    }
