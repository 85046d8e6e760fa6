"""AI Platform's long-running operations: what creating, changing and deleting versions and models answers."""

from typing import Any

from infra.emulator import operations
from infra.emulator.calls import PROJECT_NUMBER, Call
from infra.emulator.resources import Json

METADATA = "OperationMetadata"


def finished(call: Call, kind: str, model: str, *, version: Json | None = None, response: Json | None = None) -> Json:
    """Return an operation that is done; its response is the version or the model that was changed, or nothing."""
    message = operations.EMPTY if response is None else "Version" if version else "Model"
    return operations.finished(call, METADATA, message, response, **_options(call, kind, model, version))


def pending(call: Call, kind: str, model: str, version: Json) -> Json:
    """Return an operation that is under way."""
    return operations.pending(call, METADATA, **_options(call, kind, model, version))


def _options(call: Call, kind: str, model: str, version: Json | None) -> dict[str, Any]:
    fields: Json = {"operationType": kind, "modelName": model, "projectNumber": PROJECT_NUMBER}
    if version:
        fields["version"] = version
    labels = (version or {}).get("labels")
    if labels:
        fields["labels"] = labels
    return {"parent": "/".join(next(iter(call.path.values())).split("/")[:2]), "fields": fields}
