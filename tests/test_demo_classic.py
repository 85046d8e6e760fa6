"""The whole path on AI Platform, as the tutorial had it: `invoke demo --platform ai-platform` in a fresh copy."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clones import Clone, make_clone
from tests.test_emulator_classic_tutorial import SNIPPET

pytestmark = pytest.mark.long

BATCH = """
import json
from googleapiclient import discovery

body = {'jobId': 'my_job', 'predictionInput': {
    'modelName': 'projects/%s/models/%s' % (PROJECT, 'housing_price2'), 'dataFormat': 'TEXT', 'region': 'us-central1',
    'inputPaths': [INPUT], 'outputPath': 'gs://local-project-batch-prediction/output'}}
api = discovery.build('ml', 'v1', cache_discovery=False)
print(json.dumps(api.projects().jobs().create(parent='projects/' + PROJECT, body=body).execute()))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A copy on AI Platform, whose local cloud is stopped at the end."""
    made = make_clone(tmp_path_factory.mktemp("clone"))
    facts = made.facts("demo", "--platform", "ai-platform")
    assert [(job["predicted"], job["joined"]) for job in facts["jobs"]] == [(102, 102), (102, 102)]
    yield made
    made.invoke("local.stop")


def run(clone: Clone, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as `python -m infra.local_run` does."""
    (clone.path / "script.py").write_text(script)
    command = [sys.executable, "-m", "infra.local_run", "script.py"]
    return subprocess.run(command, cwd=clone.path, env=clone.environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("model", ["housing_price1", "housing_price2"])
def test_the_tutorials_snippets_run_unchanged(clone: Clone, model: str) -> None:
    """Both snippets find their models under the tutorial's names and print the predictions of the demo."""
    done = run(clone, SNIPPET.replace("housing_price1", model))
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    wrapper = "functional" if model == "housing_price1" else "decorator"
    assert predictions == clone.facts("predict-online", "--wrapper", wrapper)["predictions"]


def test_a_scripts_job_is_a_job(clone: Clone) -> None:
    """`jobs.create` by an unchanged script takes the model's default version and starts a job."""
    listed = clone.invoke("predict", "--instances", "seed", "--json")
    assert listed.returncode == 0, listed.stderr
    instances = next(Path(clone.path / "build/instances").glob("decorator-seed*"))
    script = f"""
from google.cloud import storage
INPUT = 'gs://local-project-batch-prediction/seed.json'
bucket = storage.Client(project=PROJECT).bucket('local-project-batch-prediction')
bucket.blob('seed.json').upload_from_filename({str(instances)!r})
{BATCH}"""
    done = run(clone, script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "QUEUED"


def test_nothing_drifts_and_all_goes(clone: Clone) -> None:
    """After the demo nothing is to change; destroy takes models and versions with it."""
    assert clone.invoke("up", "--expect-no-changes").returncode == 0
    promoted = clone.invoke("promote")
    assert promoted.returncode == 1
    assert "AI Platform's versions have none" in promoted.stderr
    assert clone.invoke("destroy", "--yes").returncode == 0
    assert clone.invoke("demo", "--platform", "sagemaker").returncode == 1
