"""Settings: a stack's configuration is read whole, checked once, and refused in one line."""

import json
from typing import Any

import pulumi_gcp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import NAMESPACE, READERS, SettingError, Settings, from_config, local_stack_config, read_settings
from infra.values import UploadedModel

GOOGLE = {"gcp:project": "my-project", "gcp:region": "europe-west4"}
UPLOADED = {"artifactUri": "gs://b-b/models/decorator/0123abcd/", "digest": "0123abcd"}


def settings(**ours: Any) -> Settings:
    """Read a Google stack with some settings of ours."""
    return from_config({**GOOGLE, **{f"{NAMESPACE}:{key}": value for key, value in ours.items()}}, "dev")


def refusal(**ours: Any) -> str:
    """Return the one line that a setting is refused with."""
    with pytest.raises(SettingError) as caught:
        settings(**ours)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_google_stack_needs_a_project_and_a_region_only() -> None:
    """Everything else has a default, and the defaults are the careful ones."""
    read = settings()
    assert (read.project, read.region, read.zone) == ("my-project", "europe-west4", "europe-west4-b")
    assert read.bucket == "my-project-batch-prediction"
    assert not read.force_destroy
    assert not read.notebook
    assert read.endpoints == ()
    assert read.models == {}
    assert read.serving_image == ""
    assert read.api_endpoint == "https://europe-west4-aiplatform.googleapis.com/"
    assert read.storage_endpoint == "https://storage.googleapis.com"


def test_the_local_stack_reaches_nothing_but_the_local_cloud() -> None:
    """Every endpoint of the local stack is the cloud's address, ends in /, and is one that the provider knows."""
    config = local_stack_config("http://127.0.0.1:1234")
    endpoints = {key: value for key, value in config.items() if key.endswith("CustomEndpoint")}
    assert len(endpoints) == 12
    for key, value in endpoints.items():
        assert value.startswith("http://127.0.0.1:1234/")
        assert value.endswith("/")
        assert hasattr(pulumi_gcp.config.vars._ExportableConfig, snake(key.removeprefix("gcp:"))), key
    read = from_config(config, "local")
    assert read.api_endpoint == "http://127.0.0.1:1234/aiplatform/"
    assert read.storage_endpoint == "http://127.0.0.1:1234"
    assert read.force_destroy
    assert read.notebook


def snake(name: str) -> str:
    """Return the Python name of a provider setting."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_text_and_native_values_read_the_same() -> None:
    """A stack file's YAML values and the text that the Pulumi CLI passes for them are one configuration."""
    native = {
        "predictionsTtlDays": 7,
        "softDeleteDays": 0,
        "forceDestroy": True,
        "labels": {"team": "pricing"},
        "notebook": False,
        "endpoints": ["decorator"],
        "models": {"decorator": UPLOADED},
    }
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in native.items()}
    assert settings(**native) == settings(**text)
    assert settings(**native).models == {"decorator": UploadedModel("gs://b-b/models/decorator/0123abcd", "0123abcd")}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("bucket", "Upper", "a bucket name"),
        ("bucket", "google-it", "a bucket name"),
        ("predictionsTtlDays", "soon", "a whole number from 1 to 3650"),
        ("predictionsTtlDays", 0, "a whole number from 1 to 3650"),
        ("predictionsTtlDays", True, "a whole number"),
        ("softDeleteDays", 3, "0 or a whole number from 7 to 90"),
        ("forceDestroy", "yes", "true or false"),
        ("labels", {"Team": "x"}, "lower-case"),
        ("labels", {"stack": "x"}, "reserved key 'stack'"),
        ("labels", {"goog-x": "y"}, "reserved key 'goog-x'"),
        ("labels", '["a"]', "labels such as"),
        ("labels", "{", "labels such as"),
        ("notebookMachineType", "big", "a machine type"),
        ("notebookIdleMinutes", 1, "from 10 to 1440"),
        ("machineType", 4, "a machine type"),
        ("kmsKey", "mine", "empty, new, or a key's full name"),
        ("kmsKey", "projects/vault/locations/us-east1/keyRings/r/cryptoKeys/k", "a key in gcp:region 'europe-west4'"),
        ("kmsRotationDays", 0, "a whole number from 1 to 3650"),
        ("networkRange", "8.8.8.0/24", "private IPv4 addresses"),
        ("networkRange", "10.0.0.1/24", "private IPv4 addresses"),
        ("networkRange", "10.0.0.0/30", "/8 to /29"),
        ("networkInternet", True, "false, or keras-batch-prediction:privateNetwork true"),
        ("githubRepository", "just-a-name", "OWNER/NAME"),
        ("githubBranch", "two words", "a branch such as main"),
        ("notebookOwner", "anna", "an e-mail address"),
        ("allowedRegions", ["europe-west1"], "regions with gcp:region 'europe-west4' among them"),
        ("allowedRegions", ["europe-west4", "europe-west4"], "each once"),
        ("allowedRegions", ["mars"], "a region of Vertex AI"),
        ("endpoints", ["other"], "a list of some of functional, decorator"),
        ("endpoints", ["decorator", "decorator"], "a list of some of"),
        ("models", {"other": UPLOADED}, "wrappers"),
        ("models", {"decorator": {"artifactUri": "gs://b-b/m"}}, "wrappers"),
        ("models", {"decorator": {**UPLOADED, "artifactUri": "/tmp/m"}}, "wrappers"),
        ("models", {"decorator": {**UPLOADED, "digest": 12345678}}, "wrappers"),
        ("servingImage", "image", "an image"),
        ("adoptModels", {"other": "m"}, "wrappers"),
        ("adoptModels", {"decorator": "No Id"}, "each with a model's id"),
    ],
)
def test_a_wrong_value_is_refused_with_file_key_value_and_remedy(key: str, value: Any, wanted: str) -> None:
    """The line says where the value stands, what it is, what was wanted and which command mends it."""
    line = refusal(**{key: value})
    assert line.startswith(f"infra/stacks/Pulumi.dev.yaml: {NAMESPACE}:{key} is ")
    assert wanted in line
    assert "run: pulumi config " in line
    assert "--stack dev" in line


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "gcp:project is not set"),
        ({"gcp:project": "my-project"}, "gcp:region is not set"),
        ({**GOOGLE, "gcp:project": "My Project"}, "gcp:project is 'My Project'"),
        ({**GOOGLE, "gcp:region": "europe"}, "gcp:region is 'europe'"),
        ({**GOOGLE, "gcp:zone": "us-central1-a"}, "gcp:zone is 'us-central1-a'; wanted: a zone of gcp:region"),
    ],
)
def test_project_region_and_zone_are_checked(config: dict[str, str], problem: str) -> None:
    """What every call is addressed by is right before the first call."""
    with pytest.raises(SettingError) as caught:
        from_config(config)
    assert str(caught.value).startswith(problem)
    assert "run: pulumi config set gcp:" in str(caught.value)


def test_an_unknown_setting_is_refused_and_the_near_one_named() -> None:
    """A misspelt setting does not silently mean its default."""
    assert "Did you mean 'predictionsTtlDays'?" in refusal(predictionTtlDays=3)
    assert f"pulumi config rm {NAMESPACE}:x1 --stack dev" in refusal(x1=3)


def test_settings_of_others_are_left_alone() -> None:
    """What the gcp provider and other packages are told is theirs to check."""
    others = {"gcp:disableGlobalProjectWarning": "true", "gcp:batching": {}, "gcp:version": "10.2.0", "aws:region": "x"}
    assert from_config({**GOOGLE, **others}) == from_config(GOOGLE)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("gcp:projct", "gcp:projct is no setting of the gcp provider. Did you mean 'project'?"),
        ("gcp:storageEndpoint", "Did you mean 'storageCustomEndpoint'?"),
        ("gcp:qqqqqqqqq", "is no setting of the gcp provider. Known: https://"),
        ("gcp:accessToken", "Use instead: export GOOGLE_OAUTH_ACCESS_TOKEN=TOKEN"),
        ("gcp:credentials", "Use instead: export GOOGLE_APPLICATION_CREDENTIALS=FILE"),
        ("gcp:impersonateServiceAccount", "Use instead: gcloud auth application-default login --impersonate"),
    ],
)
def test_a_key_that_the_provider_lacks_or_would_have_alone_is_refused(key: str, told: str) -> None:
    """Pulumi would ignore the one; the tasks and the models' resources would not know the other."""
    with pytest.raises(SettingError) as caught:
        from_config({**GOOGLE, key: "x"}, "dev")
    assert str(caught.value).startswith(f"infra/stacks/Pulumi.dev.yaml: {key} ")
    assert told in str(caught.value)
    assert str(caught.value).endswith(f"Remove it, or run: pulumi config rm {key} --stack dev")


@given(
    st.sampled_from(sorted(READERS)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_is_read_or_refused_in_one_line(key: str, value: Any) -> None:
    """No value, however odd, gets through unchecked or ends in a traceback."""
    try:
        settings(**{key: value})
    except SettingError as error:
        assert len(str(error).splitlines()) == 1
        assert key in str(error)


def test_the_program_reads_what_pulumi_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI passes configuration in PULUMI_CONFIG; a wrong one ends the program in one line, as a RunError."""
    import pulumi

    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**GOOGLE, f"{NAMESPACE}:notebook": "true"}))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    assert read_settings().notebook
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**GOOGLE, f"{NAMESPACE}:notebook": "maybe"}))
    with pytest.raises(pulumi.RunError, match=r"Pulumi\.dev\.yaml: .*:notebook is 'maybe'; wanted: true or false"):
        read_settings()
