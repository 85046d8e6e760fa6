"""The serving image without Docker: its context is complete, its packages are the lock's, its server runs in it."""

import io
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.errors import InfraError
from infra.image_source import DOCKERFILE, pack_source, server_modules
from tests.cloud import LocalCloud
from tests.storage import new_bucket, storage_client

ROOT = Path(__file__).parent.parent


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / DOCKERFILE).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def unpack(folder: Path) -> Path:
    """Unpack the context as Cloud Build does."""
    with tarfile.open(fileobj=io.BytesIO(pack_source(ROOT).archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_the_same_source_is_the_same_archive(tmp_path: Path) -> None:
    """The image's tag follows from the content: nothing is built twice, and a change is another image."""
    first = pack_source(ROOT)
    assert pack_source(ROOT) == first
    other = unpack(tmp_path)
    os.utime(other / "model" / "serve.py", (1, 1))
    assert pack_source(other) == first
    (other / "model" / "serve.py").write_text((ROOT / "model" / "serve.py").read_text() + "#\n")
    assert pack_source(other).tag != first.tag


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Before anything is uploaded."""
    folder = unpack(tmp_path)
    (folder / "uv.lock").unlink()
    with pytest.raises(InfraError, match=r"without uv\.lock\. Run: git restore uv\.lock"):
        pack_source(folder)


def test_the_context_has_what_the_dockerfile_copies(tmp_path: Path) -> None:
    """Every source of a COPY is in the archive; everything packed is copied or is the Dockerfile itself."""
    folder = unpack(tmp_path)
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    sources = {source for line in copied for source in line}
    assert sources == {"pyproject.toml", "uv.lock", "model"}
    assert all((folder / source).exists() for source in sources)
    assert {path.split("/")[0] for path in pack_source(ROOT).files} == sources


def test_the_image_is_the_server_for_an_unprivileged_user() -> None:
    """It starts what the local cloud starts, as no root, on the port of the container's specification."""
    found = dict(instructions())
    assert found["ENTRYPOINT"] == '["python", "-m", "model.serve"]'
    assert found["EXPOSE"] == "8080"
    assert int(found["USER"].split(":")[0]) >= 10000
    assert [rest for word, rest in instructions() if word == "FROM"] == ["${PYTHON} AS packages", "${PYTHON}"]


def test_the_packages_are_the_locks_and_no_more_than_the_server_needs() -> None:
    """`uv sync --frozen` by the lock; what is left out is in the lock, and the server's own imports are not."""
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "uv sync" in rest]
    assert "--frozen" in install
    assert "--only-group serve" in install
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {package["name"]: package for package in lock["package"]}
    left_out = set(re.findall(r"--no-install-package (\S+)", install))
    assert left_out <= set(locked)
    group = {entry["name"] for entry in locked["keras-batch-prediction"]["dev-dependencies"]["serve"]}
    assert group == {
        "google-cloud-storage",
        "httptools",
        "msgspec",
        "numpy",
        "orjson",
        "starlette",
        "tensorflow-cpu",
        "uvicorn",
        "uvloop",
    }
    assert not left_out & group
    closure = needed(locked, group, left_out)
    assert not {"pandas", "keras", "tensorflow", "pulumi"} & closure
    assert locked["tensorflow-cpu"]["version"] == locked["tensorflow"]["version"]


def needed(locked: dict[str, dict[str, object]], roots: set[str], left_out: set[str]) -> set[str]:
    """Return every package that gets installed."""
    waiting, found = list(roots), set()
    while waiting:
        name = waiting.pop()
        if name not in found and name not in left_out:
            found.add(name)
            dependencies = locked[name].get("dependencies", [])
            assert isinstance(dependencies, list)
            waiting += [entry["name"] for entry in dependencies]
    return found


def test_only_the_servers_modules_are_packed() -> None:
    """Neither training nor the batch engine nor data; what the server imports inside of functions is there."""
    packed = server_modules(ROOT)
    assert {"model/serve.py", "model/tensorflow_c.py", "model/__init__.py"} <= packed
    assert not any(part in name for name in packed for part in ("train", "batch_predict", "data", "export"))


def test_the_packed_server_answers(tmp_path: Path, saved_models: Path, local_cloud: LocalCloud) -> None:
    """Started by the image's ENTRYPOINT in the unpacked context, with the variables that Vertex AI sets."""
    bucket = new_bucket(storage_client(local_cloud))
    folder = saved_models / "keyed"
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"artifacts/7/{path.relative_to(folder).as_posix()}").upload_from_filename(str(path))
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    variables = {
        "AIP_MODE": "PREDICTION",
        "AIP_PROJECT_NUMBER": "123456789012",
        "AIP_STORAGE_URI": f"gs://{bucket.name}/artifacts/7/",
        "AIP_HTTP_PORT": "0",
        "AIP_HEALTH_ROUTE": "/health",
        "AIP_PREDICT_ROUTE": "/predict",
        "STORAGE_EMULATOR_HOST": local_cloud.url,
    }
    command = [sys.executable, "-m", "model.serve"]
    with subprocess.Popen(
        command, cwd=unpack(tmp_path), env={**kept, **variables}, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        url = server.stdout.readline().split()[1]
        body: Any = {"instances": [{"features": [1.0] * 13, "key": 9}]}
        answer = requests.post(f"{url}/predict", json=body, timeout=60)
        health = requests.get(f"{url}/health", timeout=60)
        server.terminate()
        assert server.wait(60) == 0
    assert health.status_code == 200
    assert answer.json()["predictions"][0]["key"] == 9
