"""Plans of the gcp types equal those that the real provider made for the same edits of the same stack."""

import json
from collections.abc import Iterator

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import Diff, Properties
from tests.real_stack import CONFIG, DATA, REMOVE, STACK, Changes, edited


@pytest.fixture
def provider() -> Iterator[GcpProvider]:
    """A provider as the real stack configured it."""
    made = GcpProvider(CONFIG)
    yield made
    made.close()


def planned(provider: GcpProvider, name: str, changes: Changes) -> tuple[Diff, Properties]:
    """Check and diff one resource of the real stack with some inputs changed."""
    old = STACK[name]
    inputs, failures = provider.check(old.urn, old.inputs, edited(old.inputs, changes))
    assert failures == []
    return provider.diff(old, inputs, []), inputs


# The edits of gcp-edits.json, as changed inputs of the resources whose plans the provider alone decides.
EDITS: dict[str, dict[str, Changes]] = {
    "account member: member": {"actas": {"member": "user:other@example.com"}},
    "account: disabled": {"runner": {"disabled": True}},
    "account: id": {
        "runner": {"accountId": "trace-runner2"},
        "nb": {"gceSetup.serviceAccounts.0.email": "trace-runner2@demo-project.iam.gserviceaccount.com"},
    },
    "bucket member: role": {"rw": {"role": "roles/storage.objectViewer"}},
    "bucket: change a label": {"bucket": {"labels": {"env": "prod", "b": "e"}}},
    "bucket: drop labels": {"bucket": {"labels": REMOVE}},
    "bucket: drop lifecycle": {"bucket": {"lifecycleRules": REMOVE}},
    "bucket: drop soft delete": {"bucket": {"softDeletePolicy": REMOVE}},
    "bucket: drop versioning": {"bucket": {"versioning": REMOVE}},
    "bucket: lifecycle age": {"bucket": {"lifecycleRules.0.condition.age": 31}},
    "bucket: other location": {"bucket": {"location": "EU"}},
    "bucket: public access inherited": {"bucket": {"publicAccessPrevention": "inherited"}},
    "bucket: rename": {"bucket": {"name": "trace-models2"}},
    "bucket: retention added": {"bucket": {"retentionPolicy": {"retentionPeriod": 3600}}},
    "bucket: soft delete period": {"bucket": {"softDeletePolicy.retentionDurationSeconds": 1209600}},
    "bucket: storage class": {"bucket": {"storageClass": "NEARLINE"}},
    "bucket: versioning off": {"bucket": {"versioning.enabled": False}},
    "endpoint: description": {"ep": {"description": "d"}},
    "endpoint: display name": {"ep": {"displayName": "other"}},
    "endpoint: id": {"ep": {"name": "7654321"}},
    "notebook: accelerator": {"nb": {"gceSetup.acceleratorConfigs": [{"type": "NVIDIA_TESLA_T4", "coreCount": "1"}]}},
    "notebook: boot disk": {"nb": {"gceSetup.bootDisk": {"diskSizeGb": "200"}}},
    "notebook: drop metadata": {"nb": {"gceSetup.metadata": REMOVE}},
    "notebook: drop tags": {"nb": {"gceSetup.tags": REMOVE}},
    "notebook: metadata value": {"nb": {"gceSetup.metadata.idle-timeout-seconds": "7200"}},
    "notebook: public ip": {"nb": {"gceSetup.disablePublicIp": False}},
    "notebook: stopped": {"nb": {"desiredState": "STOPPED"}},
    "notebook: vm image": {
        "nb": {"gceSetup.vmImage": {"project": "cloud-notebooks-managed", "family": "workbench-instances"}}
    },
    "object: content": {"obj": {"content": "bye 1"}},
    "object: metadata": {"obj": {"metadata": {"k": "v"}}},
    "repository: description": {"repo": {"description": "other"}},
    "repository: id": {"repo": {"repositoryId": "serving2"}},
}
RECORDED = {edit["edit"]: edit for edit in json.loads((DATA / "gcp-edits.json").read_text())}


def test_every_recorded_edit_is_tried() -> None:
    """The table below misses no edit that the real provider was asked about."""
    assert set(EDITS) == set(RECORDED)


@pytest.mark.parametrize("edit", EDITS)
def test_edit_plans_as_the_real_provider_does(provider: GcpProvider, edit: str) -> None:
    """Operation, changed paths and replace reasons of each edited resource equal the recorded ones."""
    for name, changes in EDITS[edit].items():
        diff, _ = planned(provider, name, changes)
        steps = RECORDED[edit]["steps"].get(name)
        if steps is None:
            assert not diff.changed, f"{name}: {dict(diff.properties)}"
            continue
        assert sorted(diff.properties) == sorted(steps[0]["diff"])
        assert list(diff.replace_keys) == steps[0]["replaceReasons"]
        assert ("replace" if diff.replace_keys else "update") == steps[0]["op"]


@pytest.mark.parametrize("name", STACK)
def test_unchanged_program_plans_nothing(provider: GcpProvider, name: str) -> None:
    """What the real provider made stands as it is, and check finds the same inputs again."""
    diff, inputs = planned(provider, name, {})
    assert not diff.changed, dict(diff.properties)
    assert inputs == STACK[name].inputs
