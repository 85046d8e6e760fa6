"""A stack that the real Pulumi CLI made, carried on by the embedded engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engine import state_file
from tests.engine_stack import DATA, ROOT

REAL = DATA.parent / "state-real.json"
PASSPHRASE = "x"  # that the recorded stack was made with

# The program that made the recorded stack; VARIANT 2 is its second version.
PROGRAM = """
import os

import pulumi
import pulumi_gcp as gcp
from infra.model_version import Model

V = os.environ.get("VARIANT", "1")
P = "demo-project"
R = "us-central1"
names = ("aiplatform", "notebooks", "storage")
apis = [
    gcp.projects.Service(s, service=f"{s}.googleapis.com", disable_on_destroy=(s == "notebooks")) for s in names
]
dep = pulumi.ResourceOptions(depends_on=apis)
bucket = gcp.storage.Bucket(
    "bucket",
    name="trace-models",
    location=R,
    uniform_bucket_level_access=True,
    public_access_prevention="enforced",
    force_destroy=True,
    versioning={"enabled": True},
    labels={"env": "dev"} if V == "1" else {"team": "ml"},
    soft_delete_policy={"retention_duration_seconds": 604800},
    lifecycle_rules=[
        {
            "action": {"type": "Delete"},
            "condition": {"age": 30 if V == "1" else 7, "matches_prefixes": ["predictions/"]},
        }
    ],
    opts=dep,
)
gcp.storage.BucketObject(
    "obj", bucket=bucket.name, name="instances/readme.txt", content="hello " + V, content_type="text/plain"
)
sa = gcp.serviceaccount.Account("runner", account_id="trace-runner", display_name="Batch " + V, opts=dep)
member = sa.email.apply(lambda e: f"serviceAccount:{e}")
gcp.storage.BucketIAMMember("rw", bucket=bucket.name, role="roles/storage.objectUser", member=member)
gcp.projects.IAMMember("user", project=P, role="roles/aiplatform.user", member=member)
gcp.serviceaccount.IAMMember(
    "actas", service_account_id=sa.name, role="roles/iam.serviceAccountUser", member="user:owner@example.com"
)
nb = gcp.workbench.Instance(
    "nb",
    name="trace",
    location=f"{R}-a",
    labels={"v": V},
    gce_setup={
        "machine_type": "e2-standard-4" if V == "1" else "e2-standard-8",
        "service_accounts": [{"email": sa.email}],
        "disable_public_ip": True,
        "tags": ["housing"],
        "metadata": {"idle-timeout-seconds": "3600"},
    },
    opts=dep,
)
gcp.vertex.AiEndpoint(
    "ep", name="1234567", display_name="ep " + V, location=R, region=R, labels={"v": V}, opts=dep
)
gcp.artifactregistry.Repository(
    "repo",
    repository_id="serving",
    location=R,
    format="DOCKER",
    mode="REMOTE_REPOSITORY",
    description="mirror " + V,
    remote_repository_config={"docker_repository": {"public_repository": "DOCKER_HUB"}},
    opts=dep,
)
pulumi.export("bucket", bucket.url)
pulumi.export("notebook", nb.proxy_uri)
Model("model", display="housing4", bucket=bucket.name, opts=dep)
"""

MODEL = """
import pulumi
from pulumi.dynamic import DiffResult, Resource, ResourceProvider


class P(ResourceProvider):
    def diff(self, id, o, n):
        return DiffResult(changes=o["display"] != n["display"] or o["bucket"] != n["bucket"])


class Model(Resource, module="batch", name="Model"):
    made: pulumi.Output[str]

    def __init__(self, name, display, bucket, opts=None):
        super().__init__(P(), name, {"display": display, "bucket": bucket, "made": None}, opts)
"""


def engine(folder: Path, *arguments: str, variant: str = "1") -> "subprocess.CompletedProcess[str]":
    """Run a command on the stack `local` of a folder."""
    return subprocess.run(
        [sys.executable, "-m", "infra.engine", *arguments, "-C", str(folder)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "VARIANT": variant},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project of the recorded stack, its state imported; no cloud listens at its endpoints."""
    document = json.loads(REAL.read_text())
    rows = document["deployment"]["resources"]
    config = next(row["inputs"] for row in rows if row["type"] == "pulumi:providers:pulumi-python")
    settings = {"encryptionsalt": state_file.salt_of(document), "config": config}
    (tmp_path / "Pulumi.local.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "Pulumi.yaml").write_text("name: trace\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "model_version.py").write_text(MODEL)
    assert engine(tmp_path, "import", "--file", str(REAL)).returncode == 0
    return tmp_path


def test_the_real_engines_stack_is_no_change(project: Path) -> None:
    """Imported from the CLI's export, with the program that made it, nothing is to be done; nor does up write it."""
    ran = engine(project, "preview", "--expect-no-changes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "no changes, 14 unchanged" in ran.stdout
    exported = json.loads(engine(project, "export").stdout)["deployment"]["resources"]
    assert exported == json.loads(REAL.read_text())["deployment"]["resources"]


def test_the_second_version_of_the_program_updates_six(project: Path) -> None:
    """Its changes are the updates that the real provider carried out; nothing is replaced."""
    ran = engine(project, "preview", "--json", variant="2")
    document: dict[str, Any] = json.loads(ran.stdout)
    assert document["changeSummary"] == {"same": 8, "update": 6}
    updated = {step["urn"].rsplit("::", 1)[1] for step in document["steps"] if step["op"] == "update"}
    assert updated == {"bucket", "runner", "repo", "ep", "obj", "nb"}
