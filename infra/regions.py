"""The regions that a stack may be in, known before anything is sent; and which of them a bucket is in."""

from collections.abc import Mapping
from typing import Any

# Where Vertex AI, Cloud Storage and Compute Engine all have endpoints, by the discovery documents of
# google-api-python-client 2.202 (aiplatform.v1 and compute.v1 of 2026-11-06, storage.v1 of 2026-10-09). The bucket,
# the models, their jobs and the notebook of a stack share its region, so it has to be one of all three.
AS_OF = "2026-11-06"
REGIONS = frozenset(
    """
    africa-south1
    asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1
    asia-southeast2 australia-southeast1 australia-southeast2
    europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2
    europe-west3 europe-west4 europe-west6 europe-west8 europe-west9
    me-central1 me-central2 me-west1
    northamerica-northeast1 northamerica-northeast2 southamerica-east1 southamerica-west1
    us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4
    """.split()  # noqa: SIM905  # one region a literal would be forty lines
)
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


def covers(bucket: Mapping[str, Any], region: str) -> bool:
    """Say whether a bucket (storage's resource) is in a region, or in several of which it is one."""
    where = str(bucket.get("location", "")).lower()
    pair = (bucket.get("customPlacementConfig") or {}).get("dataLocations") or ()
    return where == region or region in SEVERAL.get(where, ()) or region in {str(each).lower() for each in pair}


def place_of(bucket: Mapping[str, Any]) -> str:
    """Return where a bucket is, as Google writes it in lower case."""
    pair = (bucket.get("customPlacementConfig") or {}).get("dataLocations") or ()
    return " and ".join(str(each).lower() for each in pair) or str(bucket.get("location", "")).lower()
