"""Fixtures that many tests share: a running local cloud."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from infra.bytecode import compile_once
from tests import proofs
from tests.cloud import LocalCloud, start_cloud
from tests.saved_models import make_saved_models

settings.register_profile("any machine", deadline=None)  # no test may depend on how busy the machine is
settings.load_profile("any machine")

compile_once()  # or the first task that a test runs would say that it does

if proofs.WANTED:
    proofs.watch_handlers()


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Note which of the local cloud's methods a test calls, where that is asked for."""
    with proofs.recording(f"{request.path.name}::{request.node.originalname}"):
        yield


def pytest_sessionfinish() -> None:
    """Write what was noted."""
    if proofs.WANTED:
        proofs.write()


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One emulator for every test that uses names of its own."""
    cloud = start_cloud(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def locations(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of Vertex AI v1, where no module has another."""
    from tests.vertex import client

    with client(local_cloud) as methods:
        yield methods


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of SavedModels: every kind that the batch engine and the server take or refuse."""
    return make_saved_models(tmp_path_factory.mktemp("saved_models"))
