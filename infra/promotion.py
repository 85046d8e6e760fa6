"""Which version of a model is in production: an alias that moves by command, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra import prediction
from infra.google_client import Connection, Json
from infra.model_fields import source_properties
from infra.stacks import StackError

PRODUCTION = "production"
SET = "pulumi config set keras-batch-prediction:maxRmse"
PREVIOUS = "previous"  # the version that promote took `production` from: where rollback goes


@dataclass(frozen=True)
class Moved:
    """Where the alias went; versions are numbers, "" for none."""

    model: str
    version: str
    before: str
    artifact_uri: str
    digest: str


def check_gate(test_rmse: float, limit: float, stack: str) -> None:
    """Refuse a model whose error on the test rows is above the stack's limit.

    Raises:
        StackError: it is.
    """
    if not test_rmse <= limit:  # NaN is no good model either
        msg = f"RMSE {test_rmse:.2f} on the test rows is above the stack's maxRmse {limit:g}: not promoted"
        raise StackError(f"{msg}. Train a better one, or change the limit: {SET} NUMBER --stack {stack}")


def promote(connection: Connection, version_name: str) -> Moved:
    """Give a version the alias `production`; the version that had it is `previous` now.

    Safe to repeat: an interrupted one is finished by the next.
    """
    model, _, number = version_name.partition("@")
    versions = _by_alias(connection, model)
    before = versions.get(PRODUCTION)
    if before is not None and before["versionId"] != number:
        prediction.merge_aliases(connection, f"{model}@{before['versionId']}", PREVIOUS)
    return _moved(prediction.merge_aliases(connection, version_name, PRODUCTION), before)


def rollback(connection: Connection, model: str) -> Moved:
    """Give the alias `production` back to the version that had it before.

    Raises:
        StackError: there is none.
    """
    versions = _by_alias(connection, model)
    target, before = versions.get(PREVIOUS), versions.get(PRODUCTION)
    if target is None:
        short = model.rpartition("/")[2]
        msg = f"Model {short!r} has no version {PREVIOUS!r} to go back to. Run: invoke promote, after a second upload"
        raise StackError(msg)
    name = f"{model}@{target['versionId']}"
    return _moved(prediction.merge_aliases(connection, name, PRODUCTION, f"-{PREVIOUS}"), before)


def version_with(connection: Connection, model: str, alias: str) -> str:
    """Return the full name of the version that has an alias.

    Raises:
        StackError: none has it.
    """
    versions = _by_alias(connection, model)
    if alias not in versions:
        known = ", ".join(sorted(versions))
        msg = f"No version of {model.rpartition('/')[2]!r} has the alias {alias!r}. Run with one of: --alias {known}"
        raise StackError(msg)
    return f"{model}@{versions[alias]['versionId']}"


def uploaded(moved: Moved) -> Mapping[str, Any]:
    """Return a version's entry in the stack setting `models`, as `invoke upload` wrote it."""
    return {"artifactUri": f"{moved.artifact_uri.rstrip('/')}/", "digest": moved.digest}


def _by_alias(connection: Connection, model: str) -> dict[str, Json]:
    found = prediction.list_versions(connection, model)
    return {alias: version for version in found for alias in version.get("versionAliases", ())}


def _moved(now: Json, before: Json | None) -> Moved:
    made_from = source_properties(now)
    model, number = now["name"].partition("@")[0], str(now["versionId"])
    had = str(before["versionId"]) if before else ""
    return Moved(model, number, had, made_from["artifact_uri"], made_from["digest"])
