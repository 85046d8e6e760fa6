"""A local stack with key, network and federation on: deployed, refreshed, destroyed and deployed again, for real."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clones import Clone, make_clone

ON = {
    "kmsKey": "new",
    "privateNetwork": True,
    "networkInternet": True,
    "githubRepository": "me/it",
    "notebookOwner": "anna@example.com",
}

pytestmark = pytest.mark.long


def write(clone: Clone, **settings: Any) -> None:
    """Write settings into the local stack's file; None takes one out."""
    path = clone.path / "infra" / "stacks" / "Pulumi.local.yaml"
    file = yaml.safe_load(path.read_text())
    file["config"] |= {f"keras-batch-prediction:{key}": value for key, value in settings.items()}
    file["config"] = {key: value for key, value in file["config"].items() if value is not None}
    path.write_text(yaml.safe_dump(file))


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    """A clone with a running local cloud and every security setting on."""
    made = make_clone(tmp_path)
    assert made.invoke("local.start").returncode == 0
    write(made, **ON)
    yield made
    made.invoke("local.stop")


def test_a_secured_stack_is_steady_and_its_names_are_free_again(clone: Clone) -> None:
    """Up, up and refresh without a change, no rule broken; destroyed, its key stays; deployed anew under new ids."""
    first = clone.facts("up")
    assert clone.invoke("up", "--refresh", "--expect-no-changes").returncode == 0
    assert clone.facts("policy")["broken"] == []
    commands = clone.facts("stack.github", "--stack", "local")["commands"]
    assert any(first["outputs"]["github"]["deployer"] in line for line in commands)
    fate = clone.facts("destroy", "--dry-run")
    assert any(first["outputs"]["kmsKey"] in line for line in fate["leaves"])
    assert not any("CryptoKey" in line for line in fate["deletes"])
    assert clone.invoke("destroy", "--yes").returncode == 0
    second = clone.facts("up")
    for output in ("kmsKey", "github"):
        assert second["outputs"][output] != first["outputs"][output]


def test_a_rule_that_is_broken_stops_up_before_anything_is_made(clone: Clone) -> None:
    """The program's bucket is made public in the clone: policy and up name the rule, and no bucket comes to be."""
    environment = clone.path / "infra" / "environment.py"
    environment.write_text(environment.read_text().replace('"enforced"', '"inherited"'))
    judged = clone.invoke("policy")
    assert judged.returncode != 0
    done = clone.invoke("up")
    assert done.returncode != 0
    assert "no-public-access: publicAccessPrevention is 'inherited'; wanted: 'enforced'" in done.stderr + done.stdout
    assert "bucket" not in clone.invoke("outputs").stdout


def test_settings_come_and_go_without_a_loss(clone: Clone) -> None:
    """All off again: what they made goes, the key stays under the objects, and the stack is steady."""
    key = clone.facts("up")["outputs"]["kmsKey"]
    write(clone, **dict.fromkeys(ON))
    changed = clone.facts("up")
    assert changed["outputs"]["kmsKey"] == ""
    assert set(clone.facts("preview", "--refresh")["changeSummary"]) == {"same"}
    write(clone, kmsKey=key)  # by its name now: the objects under it are within reach of the stack again
    assert clone.facts("up")["outputs"]["kmsKey"] == key
    assert set(clone.facts("preview", "--refresh")["changeSummary"]) == {"same"}
