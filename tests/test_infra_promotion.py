"""Promotion on the local cloud: the alias moves to the stack's version and back; what is in use is never deleted."""

from pathlib import Path
from typing import Any

import pytest

from infra import prediction, promotion
from infra.promotion import check_gate, promote, rollback, uploaded, version_with
from infra.stacks import StackError
from tests.cloud import LocalCloud
from tests.local_stack import CONTAINER, connection, new_bucket, upload_artifact
from tests.test_infra_model_version import (  # noqa: F401  # fixtures
    _tracebacks,
    model_props,
    models,
    standing_versions,
    version_props,
    versions,
)


@pytest.fixture(scope="module")
def artifacts(local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Addresses of four artifacts in the bucket."""
    folder, bucket = tmp_path_factory.mktemp("artifacts"), new_bucket(local_cloud)
    return [upload_artifact(local_cloud, folder, bucket, letter * 8) for letter in "abcd"]


@pytest.fixture
def model(models: Any, artifacts: list[str]) -> str:  # noqa: F811  # a fixture
    """A model with its first version."""
    return str(models.create(model_props(artifacts[0])).id)


def replace_by(provider: Any, old: Any, model: str, artifact: str, keep: int) -> Any:
    """Make the next version and let the old one go, as an engine does."""
    new = provider.create(version_props(model, artifact, keep_versions=keep))
    provider.delete(old.id, old.outs)
    return new


def version_chain(provider: Any, model: str, artifacts: list[str], keep: int) -> Any:
    """Deploy one artifact after the other; return the last version."""
    last = provider.create(version_props(model, artifacts[0], keep_versions=keep))
    for artifact in artifacts[1:]:
        last = replace_by(provider, last, model, artifact, keep)
    return last


def test_as_many_old_versions_stay_as_the_stack_keeps(
    local_cloud: LocalCloud,
    versions: Any,  # noqa: F811  # a fixture
    model: str,
    artifacts: list[str],
) -> None:
    """The newest of those that were replaced stay; the oldest goes."""
    version_chain(versions, model, artifacts, keep=2)
    assert standing_versions(local_cloud, model) == {"2": [], "3": [], "4": ["default"]}


def test_a_version_in_production_is_never_deleted(
    local_cloud: LocalCloud,
    versions: Any,  # noqa: F811  # a fixture
    model: str,
    artifacts: list[str],
) -> None:
    """An alias of somebody keeps a version, however many came after it."""
    first = versions.create(version_props(model, artifacts[0], keep_versions=0))
    promote(connection(local_cloud), first.id)
    last = first
    for artifact in artifacts[1:]:
        last = replace_by(versions, last, model, artifact, 0)
    assert standing_versions(local_cloud, model) == {"1": ["production"], "4": ["default"]}


def test_what_somebody_else_uploaded_is_left_alone(
    local_cloud: LocalCloud,
    versions: Any,  # noqa: F811  # a fixture
    model: str,
    artifacts: list[str],
    tmp_path: Path,
) -> None:
    """A version whose artifact lies elsewhere is none of the stack's."""
    theirs = upload_artifact(local_cloud, tmp_path, new_bucket(local_cloud), "eeeeeeee")
    body = {"displayName": "x", "artifactUri": theirs, "containerSpec": CONTAINER}
    prediction.upload_model(connection(local_cloud), body, parent_model=model)
    version_chain(versions, model, artifacts[:3], keep=0)
    assert standing_versions(local_cloud, model) == {"2": [], "4": ["default"]}


def test_production_moves_and_comes_back(
    local_cloud: LocalCloud,
    versions: Any,  # noqa: F811  # a fixture
    model: str,
    artifacts: list[str],
) -> None:
    """Promote, promote the next one, roll back: the setting that rollback writes makes `up` find the old version."""
    cloud = connection(local_cloud)
    first = versions.create(version_props(model, artifacts[0], keep_versions=3))
    assert promote(cloud, first.id).before == ""
    assert promote(cloud, first.id).before == "1"
    second = replace_by(versions, first, model, artifacts[1], 3)
    moved = promote(cloud, second.id)
    assert (moved.version, moved.before) == ("2", "1")
    assert standing_versions(local_cloud, model) == {"1": ["previous"], "2": ["default", "production"]}
    assert version_with(cloud, model, "production") == f"{model}@2"
    back = rollback(cloud, model)
    assert (back.version, back.before) == ("1", "2")
    assert uploaded(back) == {"artifactUri": f"{artifacts[0]}/", "digest": "aaaaaaaa"}
    again = versions.create(version_props(model, uploaded(back)["artifactUri"].rstrip("/"), keep_versions=3))
    assert again.id == f"{model}@1"
    assert standing_versions(local_cloud, model) == {"1": ["default", "production"], "2": []}


def test_without_a_version_before_there_is_no_way_back(local_cloud: LocalCloud, model: str) -> None:
    """Nothing moves; the line says what makes one."""
    with pytest.raises(StackError, match=r"has no version 'previous' to go back to\. Run: invoke promote"):
        rollback(connection(local_cloud), model)
    with pytest.raises(StackError, match=r"has the alias 'production'\. Run with one of: --alias default"):
        version_with(connection(local_cloud), model, "production")


@pytest.mark.parametrize("rmse", [10.01, float("nan"), float("inf")])
def test_the_gate_keeps_a_bad_model_out(rmse: float) -> None:
    """The line says what the error is, what the limit is, and both ways on."""
    with pytest.raises(StackError, match=r"above the stack's maxRmse 10: not promoted\. Train a better one, or"):
        check_gate(rmse, 10.0, "dev")
    check_gate(10.0, 10.0, "dev")
    assert promotion.SET.endswith("maxRmse")
