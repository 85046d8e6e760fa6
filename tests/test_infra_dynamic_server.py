"""The providers behind the SDK's own server, as both engines run them: `python -m pulumi.dynamic`, over gRPC."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from infra.model_version import ModelProvider
from tests.cloud import LocalCloud
from tests.local_stack import CONTAINER, new_bucket, unique, upload_artifact

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def server(local_cloud: LocalCloud) -> Iterator[Any]:
    """A stub of the SDK's server, configured for the local cloud."""
    command = [sys.executable, "-u", "-m", "pulumi.dynamic"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            config = {
                "gcp:vertexAiCustomEndpoint": f"{local_cloud.url}/aiplatform/v1beta1/",
                "gcp:accessToken": "local",
            }
            stub.Configure(provider_pb2.ConfigureRequest(args=struct(config)))
            yield stub
        process.terminate()


def struct(properties: dict[str, Any]) -> struct_pb2.Struct:
    """Return properties as the wire has them."""
    return json_format.ParseDict(properties, struct_pb2.Struct())


def model_properties(artifact: str) -> dict[str, Any]:
    """Return a model's inputs, the pickled provider among them."""
    name = unique("model")
    return {
        "__provider": serialize_provider(ModelProvider()),
        "project": "local-project",
        "location": "us-central1",
        "model_id": name,
        "display_name": name,
        "description": "",
        "labels": {"stack": "local"},
        "artifact_uri": artifact,
        "digest": "aaaaaaaa",
        "container_spec": CONTAINER,
    }


def test_a_model_lives_through_the_sdks_server(server: Any, local_cloud: LocalCloud, tmp_path: Path) -> None:
    """Check, create, read, diff and delete survive the wire, where every number is a double."""
    inputs = model_properties(upload_artifact(local_cloud, tmp_path, new_bucket(local_cloud), "aaaaaaaa"))
    urn = "urn:pulumi:local::keras-batch-prediction::pulumi-python:dynamic/prediction:Model::m"
    checked = server.Check(provider_pb2.CheckRequest(urn=urn, olds=struct({}), news=struct(inputs)))
    assert not checked.failures
    created = server.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
    assert created.id.endswith(f"/models/{inputs['model_id']}")
    read = server.Read(provider_pb2.ReadRequest(urn=urn, id=created.id, properties=created.properties))
    assert read.properties == created.properties
    diff = server.Diff(provider_pb2.DiffRequest(urn=urn, id=created.id, olds=created.properties, news=checked.inputs))
    assert diff.changes == provider_pb2.DiffResponse.DIFF_NONE
    server.Delete(provider_pb2.DeleteRequest(urn=urn, id=created.id, properties=created.properties))
    gone = server.Read(provider_pb2.ReadRequest(urn=urn, id=created.id, properties=created.properties))
    assert gone.id == ""


def test_a_refusal_reaches_the_engine_in_one_line(server: Any) -> None:
    """The server sends the traceback of what a provider raises: of a refusal it is the one line for the user."""
    inputs = model_properties("gs://no-such-bucket-at-all/models/aaaaaaaa")
    with pytest.raises(grpc.RpcError) as caught:
        server.Create(provider_pb2.CreateRequest(urn="urn:…::m", properties=struct(inputs)))
    (line,) = caught.value.details().strip().splitlines()
    assert "no-such-bucket-at-all" in line
    assert "Run: " in line or "Correct " in line
