"""Model servers of the local Vertex AI: not ready, lost, restarted, asked by many at once."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud, start_cloud
from tests.vertex import (
    ROWS,
    SERVED,
    Json,
    clear,
    client,
    deploy,
    make_bucket,
    make_endpoint,
    model_body,
    put_model,
    put_object,
    until,
    upload_model,
    wait_operation,
)

BUCKET = "servers-of-tests"


@pytest.fixture(scope="module")
def stable(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of v1."""
    with client(local_cloud) as methods:
        yield methods


@pytest.fixture(scope="module")
def model(local_cloud: LocalCloud, stable: Any) -> str:
    """A model that predicts twice the sum of the features."""
    uri = put_model(local_cloud, make_bucket(local_cloud, BUCKET), "sum")
    return str(upload_model(stable, model_body(uri, displayName="sum of three"), modelId="served-by-many")["model"])


def test_server_that_never_becomes_ready(local_cloud: LocalCloud, stable: Any) -> None:
    """A model that cannot be loaded ends the deployment with the service's text and the server's reason."""
    broken = upload_model(stable, model_body(put_model(local_cloud, make_bucket(local_cloud, BUCKET), "broken")))
    endpoint = make_endpoint(stable)
    done = deploy(stable, endpoint, broken["model"])
    assert done["error"]["message"].startswith("Error: model server never became ready.")
    assert "SavedModel" in done["error"]["message"].partition("are valid. ")[2]
    assert "deployedModels" not in stable.endpoints().get(name=endpoint).execute()
    clear(stable, endpoint)
    stable.models().delete(name=broken["model"]).execute()


def test_an_id_is_used_again_at_once(stable: Any, model: str) -> None:
    """A deployed model comes back under its old id while its old server is still ending."""
    endpoint = make_endpoint(stable)
    for _ in range(2):
        assert "error" not in deploy(stable, endpoint, model, id="9")
        assert len(stable.endpoints().predict(endpoint=endpoint, body=ROWS).execute()["predictions"]) == 2
        stable.endpoints().undeployModel(endpoint=endpoint, body={"deployedModelId": "9"}).execute()
    clear(stable, endpoint)


def test_lost_server_is_started_again(local_cloud: LocalCloud, stable: Any, model: str) -> None:
    """A server that died is replaced by the next prediction."""
    endpoint = make_endpoint(stable)
    deploy(stable, endpoint, model)
    for number in server_processes(local_cloud.state):
        os.kill(number, signal.SIGKILL)
    assert stable.endpoints().predict(endpoint=endpoint, body=ROWS).execute()["predictions"][0]["key"] == 7
    clear(stable, endpoint)


@pytest.mark.long
def test_deployed_models_serve_after_a_restart(tmp_path: Path) -> None:
    """The start after a kill -9 serves again what was deployed, and ends deployments that were under way."""
    cloud = start_cloud(tmp_path / "cloud")
    put_object(cloud, make_bucket(cloud, BUCKET), "x", b"")
    with client(cloud) as locations:
        model = upload_model(locations, model_body(put_model(cloud, BUCKET, "sum")))["model"]
        ready, half = make_endpoint(locations), make_endpoint(locations)
        deploy(locations, ready, model)
        body = {"deployedModel": {"model": model, "dedicatedResources": SERVED}, "trafficSplit": {"0": 100}}
        operation = locations.endpoints().deployModel(endpoint=half, body=body).execute()
        assert "done" not in operation
    cloud.kill()
    cloud = start_cloud(tmp_path / "cloud")
    try:
        with client(cloud) as locations:
            assert locations.endpoints().predict(endpoint=ready, body=ROWS).execute()["predictions"][0]["key"] == 7
            assert "response" in wait_operation(locations, operation)
            assert locations.endpoints().predict(endpoint=half, body=ROWS).execute()["predictions"][1]["key"] == 8
    finally:
        cloud.stop()
    assert server_processes(cloud.state) == []


def server_processes(state: Path) -> list[int]:
    """Return the model servers whose model lies below a state's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"AIP_STORAGE_URI={state}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_parallel_predictions(local_cloud: LocalCloud, stable: Any, model: str) -> None:
    """Many clients at once each get the predictions of their own instances, in order."""
    endpoint = make_endpoint(stable)
    deploy(stable, endpoint, model)
    address = f"{local_cloud.url}/aiplatform/v1/{endpoint}:predict"

    def ask(client_number: int) -> list[int]:
        rows: Any = [{"features": [0.0, 0.0, 0.0], "key": client_number * 100 + row} for row in range(20)]
        answer = requests.post(address, json={"instances": rows}, timeout=60)
        return [prediction["key"] for prediction in answer.json()["predictions"]]

    with ThreadPoolExecutor(16) as pool:
        for number, keys in enumerate(pool.map(ask, range(64))):
            assert keys == [number * 100 + row for row in range(20)]
    clear(stable, endpoint)


@pytest.mark.long
def test_a_slow_start_makes_a_server_late(local_cloud: LocalCloud, stable: Any, model: str) -> None:
    """The deployment's operation stays under way for as long as the fault says, and then ends well."""
    fault: Json = {"kind": "slowStart", "method": "*.endpoints.deployModel", "seconds": 2, "times": 1}
    made = requests.post(f"{local_cloud.url}/_local/faults", json=fault, timeout=30).json()
    endpoint, began = make_endpoint(stable), time.monotonic()
    assert "error" not in deploy(stable, endpoint, model)
    assert time.monotonic() - began >= 2
    gone = requests.delete(f"{local_cloud.url}/_local/faults/{made['id']}", timeout=30).json()
    assert [one["struck"] for one in gone["cleared"]] == [1]
    clear(stable, endpoint)


@pytest.mark.long
def test_a_cancelled_deployment_leaves_nothing(local_cloud: LocalCloud, stable: Any, model: str) -> None:
    """Where its operation is cancelled before the server is ready, nothing is deployed when it is."""
    fault: Json = {"kind": "slowStart", "method": "*.endpoints.deployModel", "seconds": 4, "times": 1}
    made = requests.post(f"{local_cloud.url}/_local/faults", json=fault, timeout=30).json()
    endpoint = make_endpoint(stable)
    body = {"deployedModel": {"model": model, "dedicatedResources": SERVED}, "trafficSplit": {"0": 100}}
    operation = stable.endpoints().deployModel(endpoint=endpoint, body=body).execute()
    stable.endpoints().operations().cancel(name=operation["name"]).execute()
    assert wait_operation(stable, operation)["error"]["code"] == 1
    address = f"{local_cloud.url}/aiplatform/v1/{endpoint}"
    assert requests.delete(address, timeout=30).status_code == 400  # the server is still on its way
    until(lambda: requests.delete(address, timeout=30).status_code == 200)
    requests.delete(f"{local_cloud.url}/_local/faults/{made['id']}", timeout=30)
