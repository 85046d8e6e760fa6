"""Destruction is told before it happens: what goes, what is protected, what stays and may cost."""

import io
import sys
from typing import Any

import pytest
from invoke import Exit
from pulumi.runtime.mocks import MockMonitor

from infra.destruction import AGENT, BUCKET, GRANT, KEY, POOL, SERVICE, fate_of, lines, refuse_protected
from infra.reporting import confirm_name
from infra.settings import NAMESPACE
from infra.stacks import ROOT, Stack, StackError
from tests.real_stack import DATA
from tests.test_infra_program import IMAGE, run_program

GOOGLE = {"gcp:project": "my-project", "gcp:region": "europe-west4"}


def stack(**ours: Any) -> Stack:
    """Return a Google stack."""
    return Stack("prod", ROOT, {**GOOGLE, **{f"{NAMESPACE}:{key}": value for key, value in ours.items()}})


def row(name: str, type_: str, **more: Any) -> dict[str, Any]:
    """Return a resource of a state."""
    return {"urn": f"urn:pulumi:prod::p::{type_}::{name}", "type": type_, "custom": True, **more}


STATE = [
    row("stack", "pulumi:pulumi:Stack"),
    row("default", "pulumi:providers:gcp"),
    row("iam-api", SERVICE, inputs={"service": "iam.googleapis.com"}),
    row("vertex-agent", AGENT, inputs={"service": "aiplatform.googleapis.com"}),
    row("bucket", BUCKET, protect=True),
    row("model", "pulumi-python:dynamic/prediction:Model", protect=True),
    row("notebook", "gcp:workbench/instance:Instance"),
]


def test_everything_in_the_state_has_a_fate() -> None:
    """Enabled APIs and Google's own accounts stay, protected data stops it, the rest goes."""
    fate = fate_of(stack(), STATE)
    assert fate.deletes == ["notebook (Instance), with its disks and all that is on them"]
    assert fate.protects == ["bucket (Bucket)", "model (Model)"]
    said = "\n".join(lines(fate))
    for part in (
        "iam.googleapis.com",
        "services: aiplatform.googleapis.com",
        "if it holds objects",
        "records of batch prediction jobs",
        "1 go, 2 are prot",
    ):
        assert part in said


def test_an_adopted_model_stays() -> None:
    """It was there before the stack; the fate says so, and names it."""
    model = "pulumi-python:dynamic/prediction:Model"
    state = [row("model", model, retainOnDelete=True, id="projects/p/locations/r/models/theirs")]
    fate = fate_of(stack(), state)
    assert fate.deletes == []
    assert "model projects/p/locations/r/models/theirs, adopted by adoptModels, with all its versions" in fate.leaves


def test_a_key_outlives_its_stack_and_a_pool_keeps_its_id() -> None:
    """What encrypts objects stays, with the command that ends it; grants on a key of somebody else's stay too."""
    key, pool = "projects/p/locations/r/keyRings/r/cryptoKeys/k", "projects/p/locations/global/workloadIdentityPools/g"
    grant = row("storage-uses-key", GRANT, retainOnDelete=True, inputs={"cryptoKeyId": key})
    own = [row("data-key", KEY, retainOnDelete=True, id=key), grant, row("pool", POOL, id=pool)]
    fate = fate_of(stack(), own)
    assert fate.deletes == ["pool (WorkloadIdentityPool)"]
    assert any(f"gcloud kms keys versions destroy VERSION --key {key}" in line for line in fate.leaves)
    assert any(pool in line and "30 days" in line for line in fate.leaves)
    assert any(f"the grants on key {key}" in line for line in fate_of(stack(), [grant]).leaves)


def test_a_stack_that_deletes_its_objects_says_how_long_they_are_paid_for() -> None:
    """Soft-deleted objects stay for their days; without such days nothing of them does."""
    assert any("for 9 days" in each for each in fate_of(stack(forceDestroy=True, softDeleteDays=9), STATE).leaves)
    assert not any(" days" in each for each in fate_of(stack(forceDestroy=True, softDeleteDays=0), STATE).leaves)
    assert fate_of(stack(), []).leaves == ["nothing: the stack has no resources"]


def test_protected_data_is_refused_before_anything_goes() -> None:
    """An engine would delete the rest and stop at the bucket."""
    with pytest.raises(StackError, match=r"protects bucket \(Bucket\), model \(Model\): nothing was deleted") as caught:
        refuse_protected(fate_of(stack(), STATE))
    assert f"pulumi config set {NAMESPACE}:production false --stack prod" in str(caught.value)
    refuse_protected(fate_of(stack(), STATE[:3]))


def test_production_protects_bucket_models_and_images_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are replaced with every upload, accounts and notebook can be made again."""
    protected: set[str] = set()
    register = MockMonitor.RegisterResource

    def recorded(self: Any, request: Any) -> Any:
        protected.update({request.name} if request.protect else ())
        return register(self, request)  # type: ignore[no-untyped-call]  # the SDK leaves it without annotations

    monkeypatch.setattr(MockMonitor, "RegisterResource", recorded)
    models = '{"decorator": {"artifactUri": "gs://b-b/models/decorator/bbbbbbbb", "digest": "bbbbbbbb"}}'
    config = {
        **GOOGLE,
        f"{NAMESPACE}:servingImage": IMAGE.replace("europe-west4", GOOGLE["gcp:region"]),
        f"{NAMESPACE}:models": models,
        f"{NAMESPACE}:notebook": "true",
    }
    run_program(config)
    assert protected == set()
    run_program({**config, f"{NAMESPACE}:production": "true"})
    assert protected == {"bucket", "decorator-model", "serving-repository"}


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        """Say that somebody is there."""
        return True


@pytest.mark.parametrize(("typed", "goes_on"), [("prod\n", True), ("y\n", False), ("\n", False), ("", False)])
def test_the_stacks_name_has_to_be_typed(typed: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes out of habit destroys nothing."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    if goes_on:
        confirm_name(False, "Destroy?", "prod", "invoke destroy --yes")
        return
    with pytest.raises(Exit, match="Nothing was changed"):
        confirm_name(False, "Destroy?", "prod", "invoke destroy --yes")


def test_the_real_clis_state_is_understood() -> None:
    """A state that the Pulumi CLI exported has the same fields."""
    import json

    resources = json.loads((DATA / "state-real.json").read_text())["deployment"]["resources"]
    fate = fate_of(stack(), resources)
    assert len(fate.deletes) > 5
    assert not any("Service" in each for each in fate.deletes)
