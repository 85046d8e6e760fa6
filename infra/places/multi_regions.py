"""What Cloud Storage's multi-regions and pairs of regions contain, by its page of locations (2026-09)."""

from collections.abc import Mapping
from typing import Any

MULTI_REGIONS = {"us": "us-", "eu": "europe-", "asia": "asia-"}  # how the regions in them begin
OUTSIDE_THE_UNION = ("europe-west2", "europe-west6")  # London and Zurich
PAIRS = {
    "asia1": ("asia-northeast1", "asia-northeast2"),
    "eur4": ("europe-north1", "europe-west4"),
    "eur5": ("europe-west1", "europe-west2"),
    "eur7": ("europe-west2", "europe-west3"),
    "eur8": ("europe-west3", "europe-west6"),
    "nam4": ("us-central1", "us-east1"),
}


def covers(bucket: Mapping[str, Any], region: str) -> bool:
    """Say whether a bucket (storage's resource) is in a region, or in several of which it is one."""
    if chosen := chosen_pair(bucket):
        return region in chosen
    where = str(bucket.get("location", "")).lower()
    if where in MULTI_REGIONS:
        return region.startswith(MULTI_REGIONS[where]) and (where != "eu" or region not in OUTSIDE_THE_UNION)
    return region in PAIRS.get(where, (where,))


def chosen_pair(bucket: Mapping[str, Any]) -> list[str]:
    """Return the regions that a bucket was given by name; its location is then the continent around them."""
    return [str(each).lower() for each in (bucket.get("customPlacementConfig") or {}).get("dataLocations") or ()]
