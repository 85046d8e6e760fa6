"""The two prediction services that a stack can use, told apart in one place: Vertex AI, and AI Platform before it."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra import classic_jobs, classic_prediction, prediction
from infra.batch_jobs import BatchJob
from infra.google_client import Json
from infra.operations import Progress
from infra.setting_table import CLASSIC
from infra.stacks import StackError

Outputs = Mapping[str, Any]


def is_classic(outputs: Outputs) -> bool:
    """Tell whether a stack is on AI Platform."""
    return outputs.get("platform") == CLASSIC


def need_aliases(outputs: Outputs, stack: str, what: str) -> None:
    """Refuse what works by a version's alias, which AI Platform's versions do not have.

    Raises:
        StackError: the stack is on AI Platform.
    """
    if is_classic(outputs):
        msg = f"{what} moves a version's alias, and AI Platform's versions have none; stack {stack!r} is on it"
        raise StackError(f"{msg}. Remove the setting 'platform' from infra/stacks/Pulumi.{stack}.yaml, then: invoke up")


def create_job(outputs: Outputs, job: BatchJob) -> str:
    """Start a batch prediction job; return its name."""
    if is_classic(outputs):
        return str(classic_jobs.create_job(classic_prediction.connect_classic(outputs), job)["name"])
    return str(prediction.create_batch_job(prediction.connect(outputs), job)["name"])


def get_job(outputs: Outputs, name: str) -> Json:
    """Return a job as it stands, in Vertex AI's terms."""
    if _is_classic_job(name):
        return classic_jobs.get_job(classic_prediction.connect_classic(outputs), name)
    return prediction.get_batch_job(prediction.connect(outputs), name)


def wait_job(outputs: Outputs, name: str, progress: Progress | None = None) -> Json:
    """Follow a job to its end; `progress` gets it at each look."""
    if _is_classic_job(name):
        return classic_jobs.wait_job(classic_prediction.connect_classic(outputs), name, progress)
    return prediction.wait_batch_job(prediction.connect(outputs), name, progress)


def predict_online(outputs: Outputs, served: str, instances: Sequence[Any]) -> Json:
    """Predict a few instances: by an endpoint of Vertex AI, or by a version of AI Platform itself."""
    if not is_classic(outputs):
        return prediction.predict_online(prediction.connect(outputs), served, instances)
    model, _, version = served.partition("/versions/")
    answer = classic_prediction.predict(classic_prediction.connect_classic(outputs), served, instances)
    return {**answer, "modelDisplayName": model.rpartition("/")[2], "modelVersionId": version}


def _is_classic_job(name: str) -> bool:
    return "/batchPredictionJobs/" not in name
