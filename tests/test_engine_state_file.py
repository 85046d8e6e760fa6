"""The state's file: Pulumi's deployment format, secrets sealed, written as a whole, held by one engine."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.engine import state_file
from infra.engine.errors import EngineError
from infra.engine.sealing import sealer_of
from infra.engine.state import PendingOperation, ResourceState, Snapshot, resource_from_json, resource_to_json
from infra.engine.wire import masked, secret
from tests.engine_stack import DATA

REAL: dict[str, Any] = json.loads((DATA.parent / "state-real.json").read_text())
SALT = state_file.salt_of(REAL)
PASSPHRASE = "x"  # that the recorded stack was made with


def test_the_real_engines_state_loads_and_saves_equal() -> None:
    """A deployment exported by the Pulumi CLI comes out as it went in, ciphertexts included."""
    sealer = sealer_of(SALT, PASSPHRASE)
    saved = state_file.dump(state_file.load(REAL, sealer), sealer)
    assert saved["deployment"].pop("manifest").keys() == REAL["deployment"]["manifest"].keys()
    expected = {key: value for key, value in REAL["deployment"].items() if key != "manifest"}
    assert saved["deployment"] == expected
    state_file.check_sound(state_file.load(REAL, sealer), "trace", "local")


def test_the_real_engines_secrets_open_with_its_passphrase() -> None:
    """The access token and labels of the recorded stack are readable."""
    snapshot = state_file.load(REAL, sealer_of(SALT, PASSPHRASE))
    by_name = {state.urn.rsplit("::", 1)[1]: state for state in snapshot.resources}
    assert by_name["default_10_2_0"].inputs["accessToken"] == secret("local")
    assert by_name["ep"].outputs["effectiveLabels"]["value"] == {
        "goog-pulumi-provisioned": "true",
        "v": "1",
    }
    assert masked(by_name["ep"].outputs)["effectiveLabels"] == "[secret]"


def test_a_wrong_passphrase_is_refused() -> None:
    """Neither opening nor sealing goes on with another passphrase than the stack's."""
    with pytest.raises(EngineError, match="PULUMI_CONFIG_PASSPHRASE"):
        state_file.load(REAL, sealer_of(SALT, "wrong"))
    state = ResourceState("urn:pulumi:s::p::t:t:T::n", "t:t:T", inputs={"a": secret(1)})
    with pytest.raises(EngineError, match="PULUMI_CONFIG_PASSPHRASE"):
        state_file.dump(Snapshot((state,)), sealer_of(SALT, "wrong"))


def test_secrets_under_another_salt_are_sealed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state made with another salt (another engine's stack) is opened with it and saved under the stack's own."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    own = sealer_of("", "")
    snapshot = state_file.load(REAL, own)
    again = state_file.dump(snapshot, own)
    assert state_file.salt_of(again) == own.salt != SALT
    assert state_file.load(again, sealer_of(own.salt, "")) == snapshot


@pytest.mark.parametrize("salt", ["v1:short", "v2:AAAA:v1:x:y", "v1:***:v1:x:y", "nonsense"])
def test_a_bad_salt_is_one_line(salt: str) -> None:
    """A stack file with a damaged salt is named as such."""
    with pytest.raises(EngineError, match="Bad encryption salt"):
        sealer_of(salt, "")


def test_pending_operations_travel_through_the_file(tmp_path: Path) -> None:
    """What had begun when the engine was killed is there for the next one."""
    state = ResourceState("urn:pulumi:s::p::t:t:T::n", "t:t:T", custom=True, inputs={"password": secret("x")})
    sealer = sealer_of("", "")
    path = tmp_path / "deep" / "s.json"
    snapshot = Snapshot((), (PendingOperation("creating", state),))
    state_file.write_atomically(path, state_file.dump(snapshot, sealer))
    assert '"password": "x"' not in path.read_text()
    assert state_file.load(state_file.read_deployment(path), sealer) == snapshot


def test_every_field_of_a_resource_survives() -> None:
    """Options are written under Pulumi's names, and keys of other engines are kept."""
    row = {
        "urn": "urn:pulumi:s::p::t:t:T::n",
        "custom": True,
        "delete": True,
        "id": "i",
        "type": "t:t:T",
        "protect": True,
        "external": True,
        "initErrors": ["e"],
        "pendingReplacement": True,
        "customTimeouts": {"create": 60.0},
        "importID": "j",
        "retainOnDelete": True,
        "deletedWith": "urn:x",
        "ignoreChanges": ["a"],
        "replaceOnChanges": ["b"],
        "sourcePosition": "project:///__main__.py#1",
    }
    assert resource_to_json(resource_from_json(row)) == row


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no deployment"),
        ({"version": 2, "deployment": {}}, "version 2"),
        ({"version": 3}, "no deployment"),
    ],
)
def test_what_is_no_deployment_is_refused(document: Any, said: str) -> None:
    """An import says what is wrong with the file."""
    with pytest.raises(EngineError, match=said):
        state_file.check_deployment(document, "file.json")


def test_a_damaged_or_foreign_deployment_is_refused() -> None:
    """A resource before its provider, or of another stack, or without a type, is named."""
    snapshot = state_file.load(REAL, sealer_of(SALT, PASSPHRASE))
    with pytest.raises(EngineError, match="not of project 'other'"):
        state_file.check_sound(snapshot, "other", "local")
    with pytest.raises(EngineError, match="stands before"):
        state_file.check_sound(replace(snapshot, resources=snapshot.resources[::-1]), "trace", "local")
    with pytest.raises(EngineError, match="has no 'type'"):
        state_file.load({"version": 3, "deployment": {"resources": [{"urn": "urn:x"}]}}, sealer_of("", ""))


def test_a_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    """The file is replaced as a whole or not at all."""
    path = tmp_path / "s.json"
    state_file.write_atomically(path, {"version": 3, "deployment": {}})
    path.with_suffix(".tmp").mkdir()
    with pytest.raises(EngineError, match="Cannot write the state"):
        state_file.write_atomically(path, {"version": 3, "deployment": {"more": 1}})
    assert json.loads(path.read_text()) == {"version": 3, "deployment": {}}


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    """The lock names its holder."""
    path = tmp_path / "s.json"
    refused = pytest.raises(EngineError, match=r"in use by process \d+")
    with state_file.locked(path), refused, state_file.locked(path):
        pass
    with state_file.locked(path):
        pass
