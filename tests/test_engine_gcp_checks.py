"""What check fills in and refuses, and what a preview knows before anything is made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import UNKNOWN, Properties, ProviderError
from tests.real_stack import CONFIG, STACK, program_inputs

BUCKET = "urn:pulumi:local::trace::gcp:storage/bucket:Bucket::data"
OBJECT = "urn:pulumi:local::trace::gcp:storage/bucketObject:BucketObject::file"
ENDPOINT = "urn:pulumi:local::trace::gcp:vertex/aiEndpoint:AiEndpoint::ep"
ACCOUNT = "urn:pulumi:local::trace::gcp:serviceaccount/account:Account::runner"
MEMBER = "urn:pulumi:local::trace::gcp:storage/bucketIAMMember:BucketIAMMember::rw"
INSTANCE = "urn:pulumi:local::trace::gcp:workbench/instance:Instance::nb"
REPOSITORY = "urn:pulumi:local::trace::gcp:artifactregistry/repository:Repository::repo"


@pytest.fixture
def provider() -> Iterator[GcpProvider]:
    """A provider as the real stack configured it."""
    made = GcpProvider(CONFIG)
    yield made
    made.close()


def reasons(provider: GcpProvider, urn: str, inputs: Properties) -> list[str]:
    """Return what check finds wrong."""
    return [failure.reason for failure in provider.check(urn, None, inputs)[1]]


def test_defaults_are_written_and_named(provider: GcpProvider) -> None:
    """Every object of the inputs says which of its values are defaults."""
    inputs, failures = provider.check(BUCKET, None, {"name": "data", "location": "EU", "versioning": {"enabled": True}})
    assert failures == []
    assert inputs == {
        "__defaults": ["storageClass"],
        "name": "data",
        "location": "EU",
        "storageClass": "STANDARD",
        "versioning": {"__defaults": [], "enabled": True},
    }


def test_nested_defaults_are_written(provider: GcpProvider) -> None:
    """A block's own defaults are written into the block."""
    inputs, _ = provider.check(BUCKET, None, {"name": "data", "location": "EU", "softDeletePolicy": {}})
    assert inputs["softDeletePolicy"] == {
        "__defaults": ["retentionDurationSeconds"],
        "retentionDurationSeconds": 604800,
    }


def test_absent_name_is_made_once(provider: GcpProvider) -> None:
    """A name made for the first check stays in later ones."""
    first, _ = provider.check(BUCKET, None, {"location": "EU"})
    again, _ = provider.check(BUCKET, first, {"location": "US"})
    assert first["name"].startswith("data-")
    assert len(first["name"]) == len("data-") + 7
    assert first["__defaults"] == ["name", "storageClass"]
    assert again["name"] == first["name"]


def test_made_endpoint_name_is_a_number(provider: GcpProvider) -> None:
    """Vertex AI takes only numbers of at most ten digits."""
    inputs, _ = provider.check(ENDPOINT, None, {"location": "us-central1", "displayName": "e"})
    assert inputs["name"].isdigit()
    assert len(inputs["name"]) == 10


def test_made_account_id_fits(provider: GcpProvider) -> None:
    """Service account ids have at most 30 characters."""
    urn = ACCOUNT.replace("runner", "a-very-long-resource-name-for-an-account")
    assert len(provider.check(urn, None, {})[0]["accountId"]) == 30


def test_text_is_brought_into_its_type(provider: GcpProvider) -> None:
    """Numbers where the schema has text, and text where it has numbers, are converted as the bridge does."""
    inputs, failures = provider.check(
        BUCKET,
        None,
        {"name": "data", "location": "EU", "forceDestroy": "true", "retentionPolicy": {"retentionPeriod": 3600}},
    )
    assert failures == []
    assert inputs["forceDestroy"] is True
    assert inputs["retentionPolicy"]["retentionPeriod"] == "3600"


WRONG: list[tuple[str, Properties, str]] = [
    (
        BUCKET,
        {"name": "data"},
        'Missing required argument. The argument "location" is required, but no definition was found.. '
        "Examine values at 'data.location'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "lifecycleRules": [{"action": {"type": "Delete"}}]},
        'Missing required argument. The argument "condition" is required, but no definition was found.. '
        "Examine values at 'data.lifecycleRules[0].condition'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "colour": 1},
        "Invalid or unknown key. Examine values at 'data.colour'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "versioning": {"on": True, "enabled": True}},
        "Invalid or unknown key. Examine values at 'data.versioning.on'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "versioning": True},
        "expected type 'object', got True. Examine values at 'data.versioning'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "cors": [3]},
        "expected type 'object', got 3. Examine values at 'data.cors[0]'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "labels": "env"},
        "expected type 'map', got 'env'. Examine values at 'data.labels'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "selfLink": "x"},
        "Value for unconfigurable attribute. Examine values at 'data.selfLink'.",
    ),
    (
        REPOSITORY,
        {"repositoryId": "r", "format": "DOCKER", "mode": "LOCAL"},
        'expected mode to be one of ["STANDARD_REPOSITORY" "VIRTUAL_REPOSITORY" "REMOTE_REPOSITORY"], got LOCAL. '
        "Examine values at 'repo.mode'.",
    ),
    (
        ACCOUNT,
        {"accountId": "Runner"},
        '"account_id" ("Runner") doesn\'t match regexp "^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$". '
        "Examine values at 'runner.accountId'.",
    ),
    (
        BUCKET,
        {"name": "Data", "location": "EU"},
        '"name" ("Data") must be made of lowercase letters, digits, dashes, underscores and dots, '
        "with a letter or digit at both ends. Examine values at 'data.name'.",
    ),
    (
        BUCKET,
        {"name": "data", "location": "EU", "labels": {"Env": "x"}},
        '"Env" is an invalid label key. See https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels. '
        "Examine values at 'data.labels'.",
    ),
    (
        MEMBER,
        {"bucket": "data", "role": "roles/storage.objectUser", "member": "me@example.com"},
        "invalid value for member (IAM members must have one of the values outlined here: "
        "https://cloud.google.com/billing/docs/reference/rest/v1/Policy#Binding). Examine values at 'rw.member'.",
    ),
    (
        ENDPOINT,
        {"name": "1", "location": "l", "displayName": "e", "trafficSplit": "{"},
        '"traffic_split" contains an invalid JSON: Expecting property name enclosed in double quotes: '
        "line 1 column 2 (char 1). Examine values at 'ep.trafficSplit'.",
    ),
    (
        OBJECT,
        {"bucket": "b", "name": "o"},
        'Invalid combination of arguments. "content": one of `content,source` must be specified. '
        "Examine values at 'file.content'.",
    ),
]


@pytest.mark.parametrize(("urn", "inputs", "reason"), WRONG)
def test_wrong_inputs_are_refused(provider: GcpProvider, urn: str, inputs: Properties, reason: str) -> None:
    """A failure says what is wrong and where, in the real provider's words."""
    assert reasons(provider, urn, inputs) == [reason]


def test_arguments_that_exclude_each_other_are_both_named(provider: GcpProvider) -> None:
    """Of two conflicting arguments each failure names the other."""
    connect = {"enablePrivateServiceConnect": True}
    inputs = {"location": "l", "displayName": "e", "network": "n", "privateServiceConnectConfig": connect}
    assert reasons(provider, ENDPOINT, inputs) == [
        'Conflicting configuration arguments. "network": conflicts with privateServiceConnectConfig. '
        "Examine values at 'ep.network'.",
        'Conflicting configuration arguments. "privateServiceConnectConfig": conflicts with network. '
        "Examine values at 'ep.privateServiceConnectConfig'.",
    ]
    images = {"containerImage": {"repository": "r"}, "vmImage": {"family": "f"}}
    assert len(reasons(provider, INSTANCE, {"location": "l", "gceSetup": images})) == 2


def test_unknown_values_pass_check(provider: GcpProvider) -> None:
    """What another resource will say is checked when it is known."""
    inputs: Properties = {"name": UNKNOWN, "location": "EU", "versioning": UNKNOWN, "lifecycleRules": [UNKNOWN]}
    assert reasons(provider, BUCKET, inputs) == []


def test_unserved_type_names_the_way_out(provider: GcpProvider) -> None:
    """A type outside the table is refused with the engine that has it."""
    urn = "urn:pulumi:local::trace::gcp:compute/address:Address::n"
    with pytest.raises(ProviderError, match=r"does not know the type 'gcp:compute/address:Address'.*--engine pulumi"):
        provider.check(urn, None, {})


def test_preview_of_a_bucket_knows_what_was_given(provider: GcpProvider) -> None:
    """Only what the service decides is unknown before the bucket is made."""
    inputs, _ = provider.check(STACK["bucket"].urn, None, program_inputs(STACK["bucket"].inputs))
    made = provider.create(STACK["bucket"].urn, inputs, 0, preview=True)
    assert made.id == ""
    assert made.outputs["name"] == "trace-models"
    assert made.outputs["project"] == "demo-project"
    assert made.outputs["location"] == "US-CENTRAL1"
    assert made.outputs["effectiveLabels"] == {"env": "dev", "goog-pulumi-provisioned": "true"}
    assert made.outputs["softDeletePolicy"] == {"retentionDurationSeconds": 604800, "effectiveTime": UNKNOWN}
    assert [name for name, value in made.outputs.items() if value == UNKNOWN] == [
        "rpo", "website", "projectNumber", "selfLink", "timeCreated", "updated", "url", "id",
    ]  # fmt: skip


def test_preview_of_an_account_knows_its_address(provider: GcpProvider) -> None:
    """Members and the notebook that name the account are known in the same preview."""
    inputs, _ = provider.check(ACCOUNT, None, {"accountId": "a-runner"})
    made = provider.create(ACCOUNT, inputs, 0, preview=True)
    assert made.outputs["email"] == "a-runner@demo-project.iam.gserviceaccount.com"
    assert made.outputs["member"] == "serviceAccount:a-runner@demo-project.iam.gserviceaccount.com"
    assert made.outputs["name"] == UNKNOWN


def test_attribution_label_can_be_switched_off() -> None:
    """The provider's own settings decide which labels it adds."""
    config = CONFIG | {"addPulumiAttributionLabel": "false", "defaultLabels": '{"team": "ml"}'}
    made = GcpProvider(config).create(BUCKET, {"name": "data", "location": "EU"}, 0, preview=True)
    assert made.outputs["pulumiLabels"] == {"team": "ml"}


def test_missing_endpoint_is_refused_before_any_request() -> None:
    """Without a custom endpoint nothing is ever sent to Google."""
    with pytest.raises(ProviderError, match=r"No gcp:storageCustomEndpoint.*--engine pulumi"):
        GcpProvider({"project": "p"}).create(BUCKET, {"name": "data", "location": "EU"}, 0, preview=False)


def test_silent_cloud_is_named() -> None:
    """A refused connection says which address did not answer and how to start it."""
    provider = GcpProvider({"project": "p", "storageCustomEndpoint": "http://127.0.0.1:9/storage/v1/"})
    with pytest.raises(ProviderError, match=r"No answer from http://127.0.0.1:9: .*invoke local.start"):
        provider.create(BUCKET, {"name": "data", "location": "EU"}, 0, preview=False)


def test_missing_source_file_is_named(tmp_path: Path) -> None:
    """An upload of a file that is not there fails with its path."""
    source = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "path": str(tmp_path / "none")}
    with pytest.raises(ProviderError, match=r"No file at '.*none'"):
        GcpProvider(CONFIG).create(OBJECT, {"bucket": "b", "name": "o", "source": source}, 0, preview=False)
