"""The tutorial's own snippets run against the local AI Platform as they were printed."""

import io
import json
import sys
import types
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import google.auth
import pytest
from googleapiclient import discovery

from infra.local_run import redirect
from model.dataset import SEED_ROWS, write_test_rows
from tests.classic import PROJECT, client, finished, job_body, make_model, make_version
from tests.cloud import LocalCloud
from tests.models import bare_predictions, exported_models
from tests.vertex import make_bucket, put_object, read_objects

pytestmark = pytest.mark.long

BUCKET = "classic-tutorial"
MODELS = {"housing_price1": "functional", "housing_price2": "decorator"}

# Word for word from the tutorial, for `functional`; the one for `decorator` differs in the model's name.
SNIPPET = """
from googleapiclient import discovery
from oauth2client.client import GoogleCredentials
import json

credentials = GoogleCredentials.get_application_default()
api = discovery.build('ml', 'v1', credentials=credentials, cache_discovery=False)

request_data =  {'instances':
  [
    {"features": [18.0846, 0, 18.1, 0, 0.679, 6.434, 100, 1.8347, 24, 666, 20.2, 27.25, 29.05], "key": 0},
    {"features": [0.12329, 0, 10.01, 0, 0.547, 5.913, 92.9, 2.3534, 6.0, 432, 17.8, 394.95, 16.21], "key": 1},
  ]
}

parent = 'projects/%s/models/%s/versions/%s' % (PROJECT, 'housing_price1', 'v1')
response = api.projects().predict(body=request_data, name=parent).execute()
print(json.dumps(response, sort_keys = True, indent = 4))
"""


@pytest.fixture(scope="module")
def projects(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of ml v1, with the tutorial's two models deployed."""
    make_bucket(local_cloud, BUCKET)
    with client(local_cloud) as methods:
        for model, wrapper in MODELS.items():
            make_model(methods, model, regions=["us-central1"])
            uri = upload(local_cloud, getattr(exported_models(), wrapper), f"export/{wrapper}")
            make_version(methods, f"{PROJECT}/models/{model}", "v1", uri, framework="TENSORFLOW")
        yield methods


def upload(cloud: LocalCloud, folder: Path, prefix: str) -> str:
    """Upload a SavedModel; return its folder's URI."""
    for path in folder.rglob("*"):
        if path.is_file():
            put_object(cloud, BUCKET, f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"gs://{BUCKET}/{prefix}"


def run(snippet: str, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what a snippet prints where it is run as `python -m infra.local_run` runs it."""
    for name in ("oauth2client", "oauth2client.client"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(discovery, "build", discovery.build)
    monkeypatch.setattr(google.auth, "default", google.auth.default)
    redirect(cloud.url, "local-project", "local")
    names: dict[str, Any] = {"PROJECT": "local-project"}
    with redirect_stdout(io.StringIO()) as printed:
        exec(snippet, names)
    names["api"].close()
    return json.loads(printed.getvalue())


@pytest.mark.usefixtures("projects")
def test_predict_with_the_functional_form(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first snippet prints prediction and key in one list."""
    answer = run(SNIPPET, local_cloud, monkeypatch)
    prices = [(one["prediction_with_key"][0], one["prediction_with_key"][1]) for one in answer["predictions"]]
    assert prices == [(pytest.approx(price, rel=1e-4), key) for key, price in enumerate(bare_predictions()[:2])]


@pytest.mark.usefixtures("projects")
def test_predict_with_the_decorator_form(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second snippet prints prediction and key apart."""
    answer = run(SNIPPET.replace("housing_price1", "housing_price2"), local_cloud, monkeypatch)
    expected = [{"key": key, "prediction": [pytest.approx(price, rel=1e-4)]} for key, price in enumerate(prices(2))]
    assert answer == {"predictions": expected}


def prices(count: int) -> list[float]:
    """Return what the bare model says of the first test rows."""
    return bare_predictions()[:count]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_batch_prediction_of_the_ten_rows(local_cloud: LocalCloud, projects: Any, model: str, tmp_path: Path) -> None:
    """The tutorial's job (dataFormat TEXT) gives ten lines of the tutorial's form, matched by key."""
    write_test_rows(tmp_path / "input.json", SEED_ROWS, "int64")
    path = put_object(local_cloud, BUCKET, "input.json", (tmp_path / "input.json").read_bytes())
    output = f"gs://{BUCKET}/output/{model}"
    body = job_body(f"batch_{model}", [path], output, dataFormat="TEXT", modelName=f"{PROJECT}/models/{model}")
    projects.jobs().create(parent=PROJECT, body=body).execute()
    assert finished(projects, f"batch_{model}")["predictionOutput"]["predictionCount"] == "10"
    shards = {n: c for n, c in read_objects(local_cloud, output).items() if n.startswith("prediction.results")}
    found = dict(keyed(json.loads(line)) for content in shards.values() for line in content.splitlines())
    assert found == {key: pytest.approx(price, rel=1e-4) for key, price in enumerate(prices(10))}


def keyed(line: dict[str, Any]) -> tuple[int, float]:
    """Return key and price of a result line of either form."""
    if "prediction_with_key" in line:
        assert set(line) == {"prediction_with_key"}
        return int(line["prediction_with_key"][1]), line["prediction_with_key"][0]
    assert set(line) == {"prediction", "key"}
    return line["key"], line["prediction"][0]


def test_errors_of_predictions_are_the_services_texts(projects: Any) -> None:
    """A wrong instance is answered by its error alone, worded as the service words it."""
    name = f"{PROJECT}/models/housing_price2"
    rows = [{"features": [1.0] * 13}, {"features": [1.0] * 13, "key": 1}]
    text = "Prediction failed: Invalid inputs: Input key was missing in at least one input instance. (Error code: 1)"
    assert projects.predict(name=name, body={"instances": rows}).execute() == {"error": text}
    named = {"instances": [{"features": [1.0] * 13, "key": 1}], "signature_name": "other"}
    text = projects.predict(name=name, body=named).execute()["error"]
    assert "No signature found for signature key other." in text


def test_config_names_the_accounts(projects: Any) -> None:
    """`getConfig` tells in whose name data is read, which users grant access to."""
    found = projects.getConfig(name=PROJECT).execute()
    assert found["serviceAccount"].endswith("@cloud-ml.google.com.iam.gserviceaccount.com")
    assert found["serviceAccountProject"] == "123456789012"
