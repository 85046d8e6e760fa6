"""Vertex AI as verbs: models and their versions, endpoints, online predictions; batch_jobs.py has those of jobs.

Names are full resource names (`projects/P/locations/L/models/M`); a version's ends in `@` and its number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.batch_jobs import (
    BatchJob,
    cancel_batch_job,
    create_batch_job,
    delete_batch_job,
    get_batch_job,
    list_batch_jobs,
    wait_batch_job,
)
from infra.google_client import Connection, Json, PredictionApiError, client, connect, execute
from infra.operations import Progress, wait_operation

__all__ = [  # of other files of this API: a caller needs this module alone
    "BatchJob",
    "Connection",
    "Json",
    "PredictionApiError",
    "cancel_batch_job",
    "connect",
    "create_batch_job",
    "delete_batch_job",
    "get_batch_job",
    "list_batch_jobs",
    "wait_batch_job",
    "wait_operation",
]

PAGE = 100


@dataclass(frozen=True)
class ModelVersion:
    """One uploaded version of a model."""

    model: str
    version: str

    @property
    def name(self) -> str:
        """The version's full name."""
        return f"{self.model}@{self.version}"


def upload_model(
    connection: Connection,
    model: Mapping[str, Any],
    *,
    model_id: str = "",
    parent_model: str = "",
    progress: Progress | None = None,
) -> ModelVersion:
    """Upload a new model (`model_id`) or a new version of one that exists (`parent_model`), and wait for it.

    Not safe to repeat blindly: a second call with a parent makes a second version. Look with `find_version` first.
    """
    body = {"model": dict(model), **_set(modelId=model_id, parentModel=parent_model)}
    what = f"model {model_id or parent_model!r}"
    request = _models(connection).upload(parent=connection.parent, body=body)
    response = wait_operation(connection, execute(connection, request, what), what, progress=progress)
    return ModelVersion(response["model"], str(response["modelVersionId"]))


def get_model(connection: Connection, name: str) -> Json | None:
    """Return a model (its default version) or one of its versions; None where it is not there."""
    return _found(connection, _models(connection).get(name=name), name)


def list_models(connection: Connection, query: str = "") -> list[Json]:
    """Return the models of the stack's region, filtered by a query such as `labels.stack=local`."""
    models = _models(connection)
    request = models.list(parent=connection.parent, pageSize=PAGE, **_set(filter=query))
    return list(_pages(connection, models.list_next, request, "models"))


def list_versions(connection: Connection, model: str) -> list[Json]:
    """Return all versions of a model, oldest first."""
    models = _models(connection)
    request = models.listVersions(name=model, pageSize=PAGE)
    versions = list(_pages(connection, models.listVersions_next, request, model, items="models"))
    return sorted(versions, key=lambda version: int(version["versionId"]))


def find_version(connection: Connection, model: str, wanted: Mapping[str, Any]) -> Json | None:
    """Return the newest version that was made from `wanted` (artifactUri and other fields of its upload), or None."""
    for version in reversed(list_versions(connection, model)):
        if all(_same(version.get(key), value) for key, value in wanted.items()):
            return version
    return None


def patch_model(connection: Connection, name: str, fields: Mapping[str, Any]) -> Json:
    """Change fields of a model, or of a version where the name has one; Google refuses to mix the two."""
    request = _models(connection).patch(name=name, updateMask=",".join(sorted(fields)), body=dict(fields))
    return execute(connection, request, name, repeatable=True)


def merge_aliases(connection: Connection, version: str, *aliases: str) -> Json:
    """Give a version aliases, taking them from the versions that had them; `-name` takes one away."""
    request = _models(connection).mergeVersionAliases(name=version, body={"versionAliases": list(aliases)})
    return execute(connection, request, version, repeatable=True)


def delete_model(connection: Connection, model: str) -> None:
    """Delete a model with all its versions; one that is gone is no error."""
    _delete(connection, _models(connection).delete(name=model), model)


def delete_version(connection: Connection, version: str) -> None:
    """Delete one version, never the only one; one that is gone is no error."""
    _delete(connection, _models(connection).deleteVersion(name=version), version)


def get_endpoint(connection: Connection, name: str) -> Json | None:
    """Return an endpoint with its deployed models, or None."""
    return _found(connection, _endpoints(connection).get(name=name), name)


def deploy(
    connection: Connection, endpoint: str, deployed_model: Mapping[str, Any], progress: Progress | None = None
) -> Json:
    """Deploy a model version to an endpoint with all its traffic, wait, and return the deployed model."""
    # "0" stands for the model that this call deploys
    body = {"deployedModel": dict(deployed_model), "trafficSplit": {"0": 100}}
    request = _endpoints(connection).deployModel(endpoint=endpoint, body=body)
    response = wait_operation(connection, execute(connection, request, endpoint), endpoint, progress=progress)
    deployed: Json = response["deployedModel"]
    return deployed


def undeploy(connection: Connection, endpoint: str, deployed_model: str) -> None:
    """Undeploy a model by the deployment's id; one that is gone is no error."""
    body = {"deployedModelId": deployed_model}
    _delete(connection, _endpoints(connection).undeployModel(endpoint=endpoint, body=body), endpoint)


def predict_online(connection: Connection, endpoint: str, instances: Sequence[Any]) -> Json:
    """Predict a few instances at once: `{"predictions": […], "deployedModelId", …}`, in the order sent."""
    request = _endpoints(connection).predict(endpoint=endpoint, body={"instances": list(instances)})
    return execute(connection, request, endpoint, repeatable=True)


def _same(given: Any, wanted: Any) -> bool:
    """Compare a field with what was sent: the service adds fields of its own and may drop a folder's last slash."""
    if isinstance(wanted, Mapping):
        return isinstance(given, Mapping) and all(_same(given.get(key), value) for key, value in wanted.items())
    if isinstance(given, str) and isinstance(wanted, str):
        return given.rstrip("/") == wanted.rstrip("/")
    return bool(given == wanted)


def _models(connection: Connection) -> Any:
    return client(connection).projects().locations().models()


def _endpoints(connection: Connection) -> Any:
    return client(connection).projects().locations().endpoints()


def _found(connection: Connection, request: Any, resource: str) -> Json | None:
    """Return what is there, or None; a deletion that is asked for twice finds nothing the second time."""
    try:
        return execute(connection, request, resource, repeatable=True)
    except PredictionApiError as error:
        if error.status == 404:
            return None
        raise


def _delete(connection: Connection, request: Any, resource: str) -> None:
    operation = _found(connection, request, resource)
    if operation is not None:
        wait_operation(connection, operation, resource)


def _pages(connection: Connection, following: Any, request: Any, resource: str, items: str = "") -> Iterator[Json]:
    while request is not None:
        answer = execute(connection, request, resource)
        yield from answer.get(items or resource, [])
        request = following(request, answer)


def _set(**parameters: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}
