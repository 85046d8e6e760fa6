"""The policy pack, in its own environment and over Pulumi's own protocol: the rules as the CLI meets them."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.policy.rules import BUCKET, RULES, UNKNOWN

PACK = Path(__file__).parent.parent / "infra" / "policy"
CONFIG = {"gcp:project": "my-project", "gcp:region": "us-central1"}
GOOD = {
    "publicAccessPrevention": "enforced",
    "uniformBucketLevelAccess": True,
    "location": "US-CENTRAL1",
    "labels": {"app": "keras-batch-prediction", "stack": "dev"},
}

pytestmark = pytest.mark.long  # uv makes the pack's environment: pulumi-policy and the protobuf that it wants


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The pack, started as the CLI starts it, and a client of it."""
    environment = {
        **os.environ,
        "UV_PROJECT_ENVIRONMENT": str(tmp_path_factory.mktemp("pack") / "venv"),
        "PULUMI_CONFIG": json.dumps(CONFIG),
    }
    environment.pop("VIRTUAL_ENV", None)
    command = ["uv", "run", "--frozen", "--quiet", "python", "-u", "."]
    with subprocess.Popen(command, cwd=PACK, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        assert port.isdecimal(), "the pack did not start"
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.terminate()


def told(analyzer: Any, type_: str, inputs: dict[str, Any]) -> dict[str, str]:
    """Let the pack judge a resource; return what it says by rule."""
    properties = Struct()
    properties.update(inputs)
    request = analyzer_pb2.AnalyzeRequest(
        type=type_, properties=properties, urn=f"urn:pulumi:dev::p::{type_}::it", name="it"
    )
    diagnostics = analyzer.Analyze(request).diagnostics
    assert all(each.enforcementLevel == analyzer_pb2.MANDATORY for each in diagnostics)
    return {each.policyName: each.message for each in diagnostics}


def test_the_pack_has_every_rule(analyzer: Any) -> None:
    """What the embedded engine checks is what the CLI checks."""
    found = analyzer.GetAnalyzerInfo(Empty())
    assert [policy.name for policy in found.policies] == [rule.name for rule in RULES]


def test_a_careful_bucket_passes_and_a_public_one_does_not(analyzer: Any) -> None:
    """A violation is mandatory and says what was wanted."""
    assert told(analyzer, BUCKET, GOOD) == {}
    broken = told(analyzer, BUCKET, {**GOOD, "publicAccessPrevention": "inherited", "location": "EU"})
    assert set(broken) == {"no-public-access", "region"}
    assert "wanted: region 'us-central1'" in broken["region"]


def test_what_is_not_known_yet_is_not_held_against_a_resource(analyzer: Any) -> None:
    """In a preview some inputs are unknown; the rules judge the rest."""
    assert told(analyzer, BUCKET, {**GOOD, "labels": UNKNOWN, "name": UNKNOWN}) == {}
    grant = {"bucket": UNKNOWN, "member": UNKNOWN, "role": "roles/editor"}
    assert set(told(analyzer, "gcp:storage/bucketIAMMember:BucketIAMMember", grant)) == {"no-owner-or-editor"}
