"""What tests of the program's side share: a stack's outputs, a connection, a bucket with a SavedModel's files."""

import secrets
from pathlib import Path
from typing import Any

from pulumi.dynamic import Config, ConfigureRequest

from infra.google_client import Connection
from infra.settings import LOCAL_TOKEN, NAMESPACE
from infra.storage import upload_folder
from infra.storage_client import storage_client
from infra.vertex_provider import VertexProvider
from tests.cloud import LocalCloud

CONTAINER = {
    "imageUri": "us-central1-docker.pkg.dev/local-project/serving/keras-batch-prediction:latest",
    "predictRoute": "/predict",
    "healthRoute": "/health",
    "ports": [{"containerPort": 8080}],
}


def outputs(cloud: LocalCloud) -> dict[str, Any]:
    """Return the stack outputs that say where the local cloud is."""
    return {
        "project": "local-project",
        "region": "us-central1",
        "apiEndpoint": f"{cloud.url}/aiplatform/",
        "storageEndpoint": cloud.url,
    }


def connection(cloud: LocalCloud) -> Connection:
    """Return a connection to the local cloud's Vertex AI."""
    return Connection("local-project", "us-central1", f"{cloud.url}/aiplatform/", LOCAL_TOKEN)


def unique(name: str) -> str:
    """Return a name that no other test has."""
    return f"{name}-{secrets.token_hex(4)}"


def new_bucket(cloud: LocalCloud) -> str:
    """Create a bucket and return its address."""
    name = unique("tests")
    storage_client(outputs(cloud)).create_bucket(name, location="us-central1")
    return f"gs://{name}"


def upload_artifact(cloud: LocalCloud, folder: Path, bucket: str, digest: str) -> str:
    """Put files that look like a SavedModel into the bucket (no model runs) and return their address."""
    source = folder / digest
    (source / "variables").mkdir(parents=True)
    (source / "saved_model.pb").write_bytes(digest.encode())
    (source / "variables" / "variables.index").write_bytes(b"index")
    return upload_folder(outputs(cloud), source, f"{bucket}/models/decorator/{digest}").uri


def configured(provider: VertexProvider, cloud: LocalCloud) -> Any:
    """Configure a provider as the SDK's server does."""
    config = {"gcp:vertexAiCustomEndpoint": f"{cloud.url}/aiplatform/v1beta1/", "gcp:accessToken": "local"}
    provider.configure(ConfigureRequest(Config(config, NAMESPACE)))
    return provider
