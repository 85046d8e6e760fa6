"""The online server as a process, configured as Vertex AI configures a container."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.batch import ROOT
from tests.cloud import LocalCloud
from tests.saved_models import bare_predictions, rows
from tests.storage import new_bucket, storage_client

FEATURES = [1.0] * 13


def start(model: Path | str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a server on a free port."""
    settings = {"AIP_STORAGE_URI": str(model), "AIP_HTTP_PORT": "0", "AIP_HTTP_HOST": "127.0.0.1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "model.serve", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def url_of(server: subprocess.Popen[str]) -> str:
    """Wait until a server answers and return its address."""
    assert server.stdout
    line = server.stdout.readline()
    assert line.startswith("ready "), server.communicate()
    return line.split()[1]


def end(server: subprocess.Popen[str]) -> int:
    """Ask a server to end and return its exit code."""
    server.terminate()
    server.communicate(timeout=60)
    return server.returncode


@pytest.fixture(scope="module")
def keyed(saved_models: Path) -> Iterator[str]:
    """A running server of the keyed model."""
    server = start(saved_models / "keyed")
    yield url_of(server)
    assert end(server) == 0


def ask(url: str, instances: Any) -> tuple[int, Any]:
    """Return status and body of a predict request."""
    answer = requests.post(f"{url}/predict", json={"instances": instances}, timeout=60)
    return answer.status_code, answer.json()


def test_predictions_come_in_order(keyed: str, saved_models: Path) -> None:
    """One prediction per instance, with the bare model's numbers and the key of its instance."""
    features = rows(200)
    instances = [{"features": row, "key": n} for n, row in enumerate(features.tolist())]
    status, body = ask(keyed, instances)
    assert status == 200
    assert [prediction["key"] for prediction in body["predictions"]] == list(range(200))
    found = np.array([prediction["prediction"] for prediction in body["predictions"]])
    assert np.abs(found - bare_predictions(saved_models, features)).max() < 1e-4


def test_server_is_healthy(keyed: str) -> None:
    """The health route answers 200 once the model is loaded."""
    assert requests.get(f"{keyed}/health", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "Prediction failed: Invalid inputs: the request is not"),
        (b"[]", "Prediction failed: Invalid inputs: the request is not"),
        (b'{"rows": []}', "Prediction failed: Invalid inputs: the request is not"),
        (b'{"instances": [{"key": 1}]}', "Invalid inputs: instance 0: field 'features' is missing"),
        (b'{"instances": [], "signature_name": "x"}', "No signature found for signature key x."),
    ],
)
def test_bad_request_is_refused_in_the_services_words(keyed: str, body: bytes, error: str) -> None:
    """Status 400 and {"error": text}, as both services answer."""
    answer = requests.post(f"{keyed}/predict", data=body, timeout=60)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert error in answer.json()["error"]


def test_one_bad_instance_fails_the_request(keyed: str) -> None:
    """There are no partial answers online: the error names the instance, the field and the value."""
    status, body = ask(keyed, [{"features": FEATURES, "key": 1}, {"features": FEATURES, "key": 1.5}])
    assert status == 400
    detail = "instance 1: field 'key' is 1.5: expected an integer"
    assert body == {"error": f"Prediction failed: Invalid inputs: {detail} (Error code: 1)"}


def test_model_error_is_told(saved_models: Path) -> None:
    """What the graph refuses is answered with its message, not with a server error."""
    server = start(saved_models / "functional")
    url = url_of(server)
    status, body = ask(url, [{"features": FEATURES, "key": 1 << 25}])
    assert end(server) == 0
    assert status == 400
    assert body["error"].startswith("Prediction failed: Failed to run the provided model: Exception during running the")
    assert "key beyond float32" in body["error"]


def test_parameters_and_no_instances_are_fine(keyed: str) -> None:
    """Vertex AI always sends parameters; an empty list has an empty answer."""
    answer = requests.post(f"{keyed}/predict", json={"instances": [], "parameters": {"a": 1}}, timeout=60)
    assert answer.json() == {"predictions": []}


def test_requests_overlap(keyed: str) -> None:
    """Many clients at once each get their own rows."""

    def one(key: int) -> bool:
        status, body = ask(keyed, [{"features": FEATURES, "key": key}] * 50)
        return status == 200 and {prediction["key"] for prediction in body["predictions"]} == {key}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(40)))


def test_routes_are_vertexs(saved_models: Path) -> None:
    """AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE name the paths."""
    server = start(saved_models / "keyed", AIP_HEALTH_ROUTE="/alive", AIP_PREDICT_ROUTE="/v1/endpoints/1:predict")
    url = url_of(server)
    assert requests.get(f"{url}/alive", timeout=60).status_code == 200
    answer = requests.post(
        f"{url}/v1/endpoints/1:predict", json={"instances": [{"features": FEATURES, "key": 3}]}, timeout=60
    )
    assert requests.get(f"{url}/health", timeout=60).status_code == 404
    assert end(server) == 0
    assert answer.json()["predictions"][0]["key"] == 3


def test_requests_in_flight_are_answered_at_the_end(saved_models: Path) -> None:
    """SIGTERM stops listening, and what was asked before is still answered."""
    server = start(saved_models / "keyed")
    url = url_of(server)
    body = json.dumps({"instances": [{"features": FEATURES, "key": 4}] * 20_000}).encode()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode() + body[:-10])
        server.terminate()
        client.sendall(body[-10:])
        answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    server.communicate(timeout=60)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b'"key": 4') == 20_000


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AIP_STORAGE_URI": "nowhere"}, "No SavedModel at 'nowhere'. Run: invoke export"),
        ({"AIP_HTTP_PORT": "x"}, "AIP_HTTP_PORT is 'x': expected a number from 0 to 65535"),
        ({"AIP_SIGNATURE": "x"}, "No signature 'x' in"),
        ({"AIP_HTTP_HOST": "203.0.113.1"}, "Cannot listen on 203.0.113.1:0: "),
    ],
)
def test_server_that_cannot_start_says_why(saved_models: Path, environment: dict[str, str], message: str) -> None:
    """One line and exit code 2."""
    server = start(saved_models / "keyed", **environment) if "AIP_STORAGE_URI" not in environment else start("nowhere")
    _, errors = server.communicate(timeout=60)
    assert (server.returncode, len(errors.splitlines())) == (2, 1)
    assert errors.startswith(message)


def test_model_is_fetched_from_storage(saved_models: Path, local_cloud: LocalCloud) -> None:
    """AIP_STORAGE_URI may be gs://: the model's files are downloaded first."""
    bucket = new_bucket(storage_client(local_cloud))
    folder = saved_models / "keyed"
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"models/a/{path.relative_to(folder).as_posix()}").upload_from_filename(str(path))
    server = start(f"gs://{bucket.name}/models/a", STORAGE_EMULATOR_HOST=local_cloud.url, GOOGLE_CLOUD_PROJECT="p")
    status, body = ask(url_of(server), [{"features": FEATURES, "key": 5}])
    assert end(server) == 0
    assert (status, body["predictions"][0]["key"]) == (200, 5)
