"""AI Platform for tests: Google's own client of `ml` v1 against the local cloud."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import googleapiclient.discovery
from google.oauth2.credentials import Credentials

from tests.cloud import LocalCloud
from tests.vertex import until

PROJECT = "projects/local-project"
RUNTIME = {"runtimeVersion": "2.1", "pythonVersion": "3.7"}
OVER = {"SUCCEEDED", "FAILED", "CANCELLED"}


@contextmanager
def client(cloud: LocalCloud) -> Iterator[Any]:
    """Give googleapiclient's methods of `projects`, at the local cloud."""
    api = googleapiclient.discovery.build(
        "ml",
        "v1",
        credentials=Credentials("local"),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": f"{cloud.url}/ml/"},
        static_discovery=True,
    )
    with api:
        yield api.projects()


def make_model(projects: Any, name: str, **fields: Any) -> str:
    """Make a model; return its full name."""
    return str(projects.models().create(parent=PROJECT, body={"name": name, **fields}).execute()["name"])


def make_version(projects: Any, model: str, name: str, uri: str, **fields: Any) -> dict[str, Any]:
    """Make a version and wait for its operation; return the finished operation."""
    body = {"name": name, "deploymentUri": uri, **RUNTIME, **fields}
    return waited(projects, projects.models().versions().create(parent=model, body=body).execute())


def waited(projects: Any, operation: dict[str, Any]) -> dict[str, Any]:
    """Poll an operation until it is done."""
    until(lambda: projects.operations().get(name=operation["name"]).execute().get("done"))
    return dict(projects.operations().get(name=operation["name"]).execute())


def job_body(job: str, paths: list[str], output: str, **fields: Any) -> dict[str, Any]:
    """Return the body of a batch prediction."""
    given = {"dataFormat": "JSON", "inputPaths": paths, "outputPath": output, "region": "us-central1", **fields}
    return {"jobId": job, "predictionInput": given}


def finished(projects: Any, job: str) -> dict[str, Any]:
    """Wait for a job's end; return it."""

    def get() -> Any:
        found = projects.jobs().get(name=f"{PROJECT}/jobs/{job}").execute()
        return found if found["state"] in OVER else None

    return dict(until(get))
