"""Where buckets, models and jobs are, held against each other before a job is paid for.

Vertex AI reads and writes in the job's region only: a bucket has to be there, in a multi-region or a pair of regions
that contains it. A model's own region is the job's.
"""

import re
from collections.abc import Mapping
from typing import Any

from infra.regions import REGIONS
from infra.stacks import StackError

# What Cloud Storage's multi-regions and predefined pairs contain (its page of locations, 2026-09).
OUTSIDE_THE_UNION = {"europe-west2", "europe-west6"}  # London and Zurich
SEVERAL = {
    "us": {region for region in REGIONS if region.startswith("us-")},
    "eu": {region for region in REGIONS if region.startswith("europe-")} - OUTSIDE_THE_UNION,
    "asia": {region for region in REGIONS if region.startswith("asia-")},
    "asia1": {"asia-northeast1", "asia-northeast2"},
    "eur4": {"europe-north1", "europe-west4"},
    "eur5": {"europe-west1", "europe-west2"},
    "eur7": {"europe-west2", "europe-west3"},
    "eur8": {"europe-west3", "europe-west6"},
    "nam4": {"us-central1", "us-east1"},
}
LOCATION = re.compile(r"projects/[^/]+/locations/([^/]+)/")


def covers(bucket: Mapping[str, Any], region: str) -> bool:
    """Say whether a bucket (storage's resource) is in a region, or in several of which it is one; a pair is named."""
    where = str(bucket.get("location", "")).lower()
    return region in (_pair(bucket) or {where, *SEVERAL.get(where, ())})


def place_of(bucket: Mapping[str, Any]) -> str:
    """Return where a bucket is, as Google writes it in lower case."""
    return " and ".join(_pair(bucket)) or str(bucket.get("location", "")).lower()


def _pair(bucket: Mapping[str, Any]) -> list[str]:
    """Return the regions that a bucket was given by name; its location is then the continent around them."""
    return [str(each).lower() for each in (bucket.get("customPlacementConfig") or {}).get("dataLocations") or ()]


def check_places(bucket: Mapping[str, Any], model: str, region: str, stack: str) -> None:
    """Refuse a job whose bucket or model is not in the stack's region.

    Raises:
        StackError: one is not; the line says where it is and what to do.
    """
    found = LOCATION.match(model)
    if found and found[1] != region:
        what = f"Model {model.rpartition('/')[2]!r} is in {found[1]}, and jobs of stack {stack!r} run in {region}"
        raise StackError(f"{what}: nothing was started. Run: invoke up --stack {stack}, which makes the models there")
    if not covers(bucket, region):
        what = (
            f"Bucket {bucket.get('name', '')!r} is in {place_of(bucket)}, and jobs of stack {stack!r} run in {region}"
        )
        key = "keras-batch-prediction:bucket"
        helps = f"pulumi config set {key} OTHER-NAME --stack {stack}, then: invoke up --stack {stack}, upload, up"
        raise StackError(f"{what}: nothing was started. Run: {helps}")
