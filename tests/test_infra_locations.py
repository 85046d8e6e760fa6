"""Regions before money is spent: what is not where the job runs is said before a job starts."""

from pathlib import Path
from typing import Any

import pytest

from infra import batch_runs
from infra.batch_runs import submit
from infra.locations import check_places, place_of
from infra.places.multi_regions import covers
from infra.stacks import StackError
from infra.storage_client import storage_client
from tests.cloud import LocalCloud
from tests.local_stack import outputs, unique

MODEL = "projects/p/locations/{}/models/m@1"


@pytest.mark.parametrize(
    ("bucket", "region", "covered"),
    [
        ({"location": "US-CENTRAL1"}, "us-central1", True),
        ({"location": "US-CENTRAL1"}, "us-east1", False),
        ({"location": "US"}, "us-west4", True),
        ({"location": "US"}, "northamerica-northeast1", False),
        ({"location": "EU"}, "europe-west4", True),
        ({"location": "EU"}, "europe-west2", False),
        ({"location": "EU"}, "europe-west6", False),
        ({"location": "ASIA"}, "asia-south1", True),
        ({"location": "NAM4"}, "us-east1", True),
        ({"location": "NAM4"}, "us-west1", False),
        (
            {"location": "EU", "customPlacementConfig": {"dataLocations": ["EUROPE-WEST1", "EUROPE-WEST9"]}},
            "europe-west9",
            True,
        ),
        (
            {"location": "US", "customPlacementConfig": {"dataLocations": ["US-EAST1", "US-WEST1"]}},
            "us-central1",
            False,
        ),
        ({}, "us-central1", False),
    ],
)
def test_a_bucket_covers_the_regions_that_it_is_in(bucket: dict[str, Any], region: str, covered: bool) -> None:
    """A region itself, a multi-region that contains it, or one of a pair."""
    assert covers(bucket, region) is covered


def test_a_pair_is_named_by_its_regions() -> None:
    """The multi-region's name would not say where the data is."""
    pair = {"location": "US", "customPlacementConfig": {"dataLocations": ["US-EAST1", "US-WEST1"]}}
    assert place_of(pair) == "us-east1 and us-west1"


@pytest.mark.parametrize(
    ("bucket", "model", "said"),
    [
        ("europe-west1", "us-central1", "Bucket 'b-b' is in europe-west1, and jobs of stack 'dev' run in us-central1"),
        ("us-central1", "us-east1", "Model 'm@1' is in us-east1, and jobs of stack 'dev' run in us-central1"),
    ],
)
def test_what_is_elsewhere_is_refused_with_what_to_do(bucket: str, model: str, said: str) -> None:
    """One line, before anything is sent to the service."""
    with pytest.raises(StackError) as caught:
        check_places({"name": "b-b", "location": bucket}, MODEL.format(model), "us-central1", "dev")
    assert str(caught.value).startswith(said)
    assert ": nothing was started. Run: " in str(caught.value)
    check_places({"name": "b-b", "location": "US"}, MODEL.format("us-central1"), "us-central1", "dev")


def test_a_bucket_elsewhere_starts_no_job(
    local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`predict` looks where the bucket really is, not where the settings say, and uploads nothing to it."""
    found = outputs(local_cloud)
    name = unique("elsewhere")
    storage_client(found).create_bucket(name, location="europe-west1")
    instances = tmp_path / "rows.jsonl"
    instances.write_text("{}\n")
    version = {"name": "m", "versionName": MODEL.format("us-central1")}
    stack = {**found, "bucket": name, "models": {"decorator": version}, "machineType": "n1-standard-2"}
    monkeypatch.setattr(batch_runs, "create_job", None)
    with pytest.raises(StackError, match=f"Bucket '{name}' is in europe-west1"):
        submit(stack, "local", "decorator", instances, None)
    assert list(storage_client(found).list_blobs(name)) == []
