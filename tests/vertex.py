"""Vertex AI for tests: Google's own client against the local cloud, and small SavedModels to run on it."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import googleapiclient.discovery
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials
from googleapiclient.errors import HttpError

from tests.cloud import LocalCloud

Json = dict[str, Any]

PARENT = "projects/local-project/locations/us-central1"
IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
MACHINE = {"machineSpec": {"machineType": "n1-standard-2"}}
ROWS = {"instances": [{"features": [1.0, 2.0, 3.0], "key": 7}, {"features": [0.5, 0.5, 0.5], "key": 8}]}
SERVED = {**MACHINE, "minReplicaCount": 1}

# `sum` predicts twice the sum of three features; `slow` takes its time for every batch; `broken` is no SavedModel.
MODELS = """
import sys
import tensorflow as tf

class Sum(tf.Module):
    def __init__(self, rounds):
        super().__init__()
        self.factor = tf.Variable(2.0)
        self.rounds = rounds

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="features"),
                                  tf.TensorSpec([None], tf.int64, name="key")])
    def predict(self, features, key):
        total = tf.reduce_sum(features, axis=1, keepdims=True) * self.factor
        square = tf.fill([300, 300], 1.0 / 300.0)
        square = tf.while_loop(lambda n, _: n < self.rounds, lambda n, s: (n + 1, tf.matmul(s, s)), (0, square))[1]
        return {"prediction": total + tf.minimum(square[0, 0], 0.0), "key": key}

for name, rounds in (("sum", 0), ("slow", 40)):
    module = Sum(rounds)
    tf.saved_model.save(module, f"{sys.argv[1]}/{name}", signatures={"serving_default": module.predict})
"""


@functools.cache
def saved_models() -> Path:
    """Make the SavedModels of the tests, once, in a process of their own: TensorFlow stays out of this one."""
    folder = Path(tempfile.mkdtemp(prefix="saved-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([sys.executable, "-c", MODELS, str(folder)], check=True, capture_output=True)
    (folder / "broken").mkdir()
    (folder / "broken/saved_model.pb").write_bytes(b"\xff not a SavedModel")
    return folder


@contextmanager
def client(cloud: LocalCloud, version: str = "v1") -> Iterator[Any]:
    """Give googleapiclient's methods of `projects.locations`, at the local cloud."""
    api = googleapiclient.discovery.build(
        "aiplatform",
        version,
        credentials=Credentials("local"),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": f"{cloud.url}/aiplatform/"},
        static_discovery=True,
    )
    with api:
        yield api.projects().locations()


def make_bucket(cloud: LocalCloud, name: str) -> str:
    """Make a bucket, new or not; return its name."""
    answer = requests.post(f"{cloud.url}/storage/v1/b?project=local-project", json={"name": name}, timeout=30)
    assert answer.status_code in {200, 409}, answer.text
    return name


def put_object(cloud: LocalCloud, bucket: str, name: str, content: bytes) -> str:
    """Upload an object; return its URI."""
    address = f"{cloud.url}/upload/storage/v1/b/{bucket}/o"
    answer = requests.post(address, params={"uploadType": "media", "name": name}, data=content, timeout=60)
    assert answer.status_code == 200, answer.text
    return f"gs://{bucket}/{name}"


def read_objects(cloud: LocalCloud, uri: str) -> dict[str, bytes]:
    """Return the objects below a URI: file name -> content."""
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    listed = requests.get(f"{cloud.url}/storage/v1/b/{bucket}/o", params={"prefix": f"{prefix}/"}, timeout=30).json()
    names = [item["name"] for item in listed.get("items", [])]
    address = f"{cloud.url}/storage/v1/b/{bucket}/o/"
    return {
        name.rpartition("/")[2]: requests.get(address + name.replace("/", "%2F") + "?alt=media", timeout=60).content
        for name in names
    }


def put_model(cloud: LocalCloud, bucket: str, name: str) -> str:
    """Upload one of the SavedModels; return its folder's URI."""
    source = saved_models() / name
    for path in source.rglob("*"):
        if path.is_file():
            put_object(cloud, bucket, f"{name}/{path.relative_to(source).as_posix()}", path.read_bytes())
    return f"gs://{bucket}/{name}"


def model_body(artifact_uri: str, **fields: Any) -> Json:
    """Return the body of a model."""
    return {"displayName": "sum", "artifactUri": artifact_uri, "containerSpec": {"imageUri": IMAGE}, **fields}


def wait_operation(locations: Any, operation: Json, seconds: float = 120) -> Json:
    """Poll an operation until it is done."""
    collection = operation["name"].split("/")[4]
    resource = locations if collection == "operations" else getattr(locations, collection)()
    until(lambda: resource.operations().get(name=operation["name"]).execute().get("done"), seconds)
    return dict(resource.operations().get(name=operation["name"]).execute())


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Poll until a condition holds; return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    msg = f"not within {seconds:g} s"
    raise AssertionError(msg)


def begin_sdk(cloud: LocalCloud) -> None:
    """Have the SDK `google.cloud.aiplatform` speak to a cloud."""
    from google.cloud import aiplatform

    aiplatform.init(
        project="local-project",
        location="us-central1",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        api_endpoint=f"{cloud.url}/aiplatform",
        api_transport="rest",
    )


def upload_model(locations: Any, body: Json, **options: Any) -> Json:
    """Upload a model and return the operation's response."""
    operation = locations.models().upload(parent=PARENT, body={"model": body, **options}).execute()
    done = wait_operation(locations, operation)
    assert "response" in done, done
    return dict(done["response"])


def make_endpoint(locations: Any, **fields: Any) -> str:
    """Create an endpoint; return its name."""
    operation = locations.endpoints().create(parent=PARENT, body={"displayName": "e", **fields}).execute()
    return str(operation["response"]["name"])


def deploy(locations: Any, endpoint: str, model: str, **fields: Any) -> dict[str, Any]:
    """Deploy a model with all of the traffic; return the finished operation."""
    deployed = {"model": model, "dedicatedResources": SERVED, **fields}
    body = {"deployedModel": deployed, "trafficSplit": {"0": 100}}
    return wait_operation(locations, locations.endpoints().deployModel(endpoint=endpoint, body=body).execute())


def clear(locations: Any, endpoint: str) -> None:
    """Undeploy everything and delete the endpoint."""
    deployed = locations.endpoints().get(name=endpoint).execute().get("deployedModels", [])
    for number, entry in enumerate(deployed, 1):
        rest = {other["id"]: 100 for other in deployed[number : number + 1]}
        body = {"deployedModelId": entry["id"], "trafficSplit": rest}
        locations.endpoints().undeployModel(endpoint=endpoint, body=body).execute()
    locations.endpoints().delete(name=endpoint).execute()


def refused(request: Any) -> tuple[int, str]:
    """Return status and message of a request that must be refused."""
    with pytest.raises(HttpError) as caught:
        request.execute()
    return caught.value.status_code, caught.value.reason
