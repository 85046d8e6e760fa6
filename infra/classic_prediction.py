"""AI Platform (ml v1) as verbs: models, versions, predictions; classic_jobs.py has those of jobs.

Google switched it off on 2025-01-31: these calls go to a local cloud only. Names are `projects/P/models/M/versions/V`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infra.google_client import Connection, Json, PredictionApiError, client, connect, execute
from infra.operations import wait_operation

PAGE = 100


def connect_classic(outputs: Mapping[str, Any]) -> Connection:
    """Make the connection to the AI Platform that stands beside the Vertex AI of a stack's outputs."""
    return classic(connect(outputs))


def classic(connection: Connection) -> Connection:
    """Return the connection to the AI Platform of the same local cloud."""
    return replace(connection, endpoint=re.sub(r"aiplatform/$", "ml/", connection.endpoint), api="ml")


def get_model(connection: Connection, name: str) -> Json | None:
    """Return a model with its default version, or None."""
    return _found(connection, _models(connection).get(name=name), name)


def create_model(connection: Connection, name: str, fields: Mapping[str, Any]) -> Json:
    """Make a model, which has no version yet."""
    project, _, short = name.partition("/models/")
    request = _models(connection).create(parent=project, body={"name": short, **fields})
    return execute(connection, request, f"model {short!r}")


def patch_model(connection: Connection, name: str, fields: Mapping[str, Any]) -> None:
    """Change a model's description and labels."""
    request = _models(connection).patch(name=name, updateMask=",".join(sorted(fields)), body=dict(fields))
    wait_operation(connection, execute(connection, request, name), name)


def delete_model(connection: Connection, name: str) -> None:
    """Delete a model with all its versions, the default one last; what is gone is no error."""
    versions = list_versions(connection, name)
    for version in sorted(versions, key=lambda version: bool(version.get("isDefault"))):
        delete_version(connection, version["name"])
    _delete(connection, _models(connection).delete(name=name), name)


def get_version(connection: Connection, name: str) -> Json | None:
    """Return a version, or None."""
    return _found(connection, _versions(connection).get(name=name), name)


def list_versions(connection: Connection, model: str) -> list[Json]:
    """Return a model's versions, oldest first; none where it is gone."""
    if get_model(connection, model) is None:
        return []
    request, found = _versions(connection).list(parent=model, pageSize=PAGE), []
    while request is not None:
        answer = execute(connection, request, model)
        found += answer.get("versions", [])
        request = _versions(connection).list_next(request, answer)
    return sorted(found, key=lambda version: str(version["createTime"]))


def create_version(connection: Connection, name: str, fields: Mapping[str, Any]) -> Json:
    """Make a version and wait until it serves."""
    model, _, short = name.partition("/versions/")
    request = _versions(connection).create(parent=model, body={"name": short, **fields})
    return wait_operation(connection, execute(connection, request, name), name)


def set_default(connection: Connection, name: str) -> Json:
    """Make a version the one that predictions without a version go to."""
    return execute(connection, _versions(connection).setDefault(name=name, body={}), name)


def delete_version(connection: Connection, name: str) -> None:
    """Delete a version, the default one only when it is the last; one that is gone is no error."""
    _delete(connection, _versions(connection).delete(name=name), name)


def predict(connection: Connection, name: str, instances: Sequence[Any]) -> Json:
    """Predict a few instances at once: `{"predictions": […]}`, in the order sent.

    Raises:
        PredictionApiError: an instance is refused: then none is answered.
    """
    request = client(connection).projects().predict(name=name, body={"instances": list(instances)})
    answer = execute(connection, request, name)
    if "error" in answer:
        msg = f"AI Platform refuses an instance for {name}: {answer['error']}. Correct it, then run it again"
        raise PredictionApiError(msg, 400)
    return answer


def _models(connection: Connection) -> Any:
    return client(connection).projects().models()


def _versions(connection: Connection) -> Any:
    return _models(connection).versions()


def _found(connection: Connection, request: Any, resource: str) -> Json | None:
    try:
        return execute(connection, request, resource)
    except PredictionApiError as error:
        if error.status == 404:
            return None
        raise


def _delete(connection: Connection, request: Any, resource: str) -> None:
    operation = _found(connection, request, resource)
    if operation is not None:
        wait_operation(connection, operation, resource)
