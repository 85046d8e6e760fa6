"""New stack files: complete, true to the settings' table, refused in one line where they would be wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra import stack_files, stacks
from infra.regions import REGIONS
from infra.setting_table import OWN, SETTINGS
from infra.settings import Settings, from_config
from infra.stacks import StackError, write_setting
from tests.discovery import document


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of stacks of the test's own."""
    monkeypatch.setattr(stacks, "FOLDER", tmp_path / "stacks")
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(stack_files, "ROOT", tmp_path)
    yield tmp_path / "stacks"


def uncommented(text: str) -> dict[str, Any]:
    """Return the configuration with every setting's line, those with a # before it included."""
    lines = [
        line.replace("# ", "", 1) if ": " in line and line.startswith("  # ") else line for line in text.split("\n")
    ]
    keys = tuple(f"  {setting.key}: " for setting in SETTINGS.values())
    config: dict[str, Any] = yaml.safe_load("\n".join(["config:", *(line for line in lines if line.startswith(keys))]))
    return config["config"]  # type: ignore[no-any-return]  # yaml knows no types


def test_a_new_stack_file_holds_every_setting_with_the_default_that_the_program_uses(folder: Path) -> None:
    """What the file says is what the program reads: with all its comments taken away nothing changes."""
    made = stack_files.new_stack("prod", "my-project", "europe-west4")
    config = uncommented(made.path.read_text())
    assert set(config) == {setting.key for setting in SETTINGS.values()}
    assert dict(made.config) == {"gcp:project": "my-project", "gcp:region": "europe-west4"}
    assert from_config(config) == from_config(made.config)
    assert made.path.parent == folder


def test_every_setting_of_the_program_is_in_the_table() -> None:
    """The table has one row for each field of Settings that a stack file sets."""
    derived = {"local", "apiEndpoint", "storageEndpoint", "project", "region", "zone"}
    fields = {camel(name) for name in Settings.__dataclass_fields__}
    assert fields - derived == {setting.name for setting in OWN}


def camel(name: str) -> str:
    """Return a setting's key for a field."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.key)
def test_every_default_and_example_is_taken_by_its_reader(setting: Any) -> None:
    """The file's defaults and the remedies' examples are values that are not refused in turn."""
    if setting.default is not None:
        setting.read(setting.default_for("my-project", "us-central1"))
    example = setting.example.strip("'")
    setting.read(example)
    assert setting.meaning.endswith(".")


def test_a_file_that_is_there_is_never_written_over(folder: Path) -> None:
    """The second `stack.new` of a name changes nothing."""
    stack_files.new_stack("prod", "my-project", "europe-west4")
    before = (folder / "Pulumi.prod.yaml").read_bytes()
    with pytest.raises(StackError, match=r"has its file stacks/Pulumi.prod.yaml already"):
        stack_files.new_stack("prod", "other-project", "us-central1")
    assert (folder / "Pulumi.prod.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "project", "region", "said"),
    [
        ("local", "my-project", "us-central1", "Run: invoke local.start"),
        ("a b", "my-project", "us-central1", "The stack's name is 'a b'"),
        ("../x", "my-project", "us-central1", "The stack's name is '../x'"),
        ("", "my-project", "us-central1", "The stack's name is ''"),
        ("prod", "My Project", "us-central1", "--project is 'My Project'; wanted: a project id"),
        ("prod", "my-project", "us-centra1", "such as us-central1"),
        ("prod", "my-project", "us-central2", "--region is 'us-central2'"),
    ],
)
def test_a_wrong_name_project_or_region_is_refused(
    folder: Path, name: str, project: str, region: str, said: str
) -> None:
    """One line says what is wrong and what to run; no file is written."""
    with pytest.raises(StackError) as caught:
        stack_files.new_stack(name, project, region)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("*"))


@given(st.text(max_size=8), st.text(max_size=12), st.sampled_from(sorted(REGIONS)) | st.text(max_size=12))
def test_what_is_written_can_be_read(name: str, project: str, region: str) -> None:
    """Whatever passes the checks makes a stack file that reads back as it was asked for."""
    try:
        stacks.stack_path(name)
        for option, value in (("project", project), ("region", region)):
            SETTINGS[f"gcp:{option}"].read(value)
    except (StackError, ValueError):
        return
    config = yaml.safe_load(stack_files.stack_text(name, project, region))["config"]
    assert config == {"gcp:project": project, "gcp:region": region}


def test_tasks_that_write_settings_keep_the_comments(folder: Path) -> None:
    """`invoke upload` and `deploy` write into the file; a person's comments and the order stay."""
    made = stack_files.new_stack("prod", "my-project", "europe-west4")
    before = made.path.read_text()
    assert write_setting(made, "endpoints", ["decorator"])
    after = made.path.read_text()
    assert [line for line in before.splitlines() if line.strip()] == [
        line for line in after.splitlines() if line.strip() and line not in ADDED
    ]
    assert from_config(stacks.read_stack("prod").config).endpoints == ("decorator",)
    assert folder.exists()


ADDED = ("  keras-batch-prediction:endpoints:", "  - decorator")


def test_stacks_are_listed_with_what_is_wrong_with_them(folder: Path) -> None:
    """A broken file is a line in the list, not the list's end."""
    stack_files.new_stack("prod", "my-project", "europe-west4")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: my-project\n  gcp:region: mars-1\n")
    dev, prod = stack_files.overviews()
    assert "gcp:region is 'mars-1'" in dev.problem
    assert (prod.stack, prod.cloud, prod.project, prod.region) == ("prod", "Google Cloud", "my-project", "europe-west4")
    json.dumps(stack_files.facts(prod))


def test_regions_are_those_of_all_three_apis() -> None:
    """Each region of the list is an endpoint in the discovery documents of Vertex AI, Cloud Storage and Compute."""
    for api in ("aiplatform.v1", "storage.v1", "compute.v1"):
        known = {endpoint["location"] for endpoint in document(api)["endpoints"]}
        assert not REGIONS - known, api
