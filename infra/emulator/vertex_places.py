"""Where a bucket or a model is, held against the location that a request of Vertex AI goes to.

Buckets by the service's own refusal (python-aiplatform#885); its page on batch predictions allows a multi-region that
contains the location.
"""

import re

from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import failed_precondition, invalid
from infra.emulator.objects import find_bucket
from infra.emulator.resources import Json
from infra.emulator.vertex_locations import REGIONS
from infra.emulator.vertex_rules import refuse

# What Cloud Storage's multi-regions and predefined pairs contain, by its page of locations.
MULTI_REGIONS = {"us": "us-", "eu": "europe-", "asia": "asia-"}
OUTSIDE_THE_UNION = ("europe-west2", "europe-west6")  # London and Zurich
PAIRS = {
    "asia1": ("asia-northeast1", "asia-northeast2"),
    "eur4": ("europe-north1", "europe-west4"),
    "eur5": ("europe-west1", "europe-west2"),
    "eur7": ("europe-west2", "europe-west3"),
    "eur8": ("europe-west3", "europe-west6"),
    "nam4": ("us-central1", "us-east1"),
}
LOCATION = re.compile(r"projects/[^/]+/locations/([^/]+)")


def location_of(name: str) -> str:
    """Return the location that a resource's name says, empty where it says none."""
    found = LOCATION.match(name)
    return found[1] if found else ""


def check_location(call: Call) -> None:
    """Refuse to make a resource in a location that there is none of: an address of such a one would not be found.

    Raises:
        ApiError: 400 INVALID_ARGUMENT, in the form of the service's refusal of another endpoint's location.
    """
    location = location_of(call.path["parent"])
    if location not in REGIONS:
        known = f"Valid location IDs: {', '.join(REGIONS)}."
        refuse([("parent", f"The provided location ID {location!r} doesn't match an endpoint. {known}")])


def check_bucket_place(cloud: Cloud, uri: str, location: str) -> None:
    """Refuse a bucket that is elsewhere; one that is not there, or has no URI's form, is refused where it is read.

    Raises:
        ApiError: 400 FAILED_PRECONDITION, in the service's words.
    """
    bucket = find_bucket(cloud, uri.removeprefix("gs://").partition("/")[0])
    if bucket and not _covers(bucket, location):
        where = f"The Cloud Storage bucket of `{uri}` is in location `{bucket['location'].lower()}`."
        raise failed_precondition(
            f"{where} It must be in the same regional location as the service location `{location}`."
        )


def check_model_place(model: str, location: str) -> None:
    """Refuse a model of another location.

    Raises:
        ApiError: 400 INVALID_ARGUMENT; the service's words are not documented.
    """
    if location_of(model) not in ("", location):
        raise invalid(f"The Model must be in the request's location {location!r}, it is in another: {model}")


def _covers(bucket: Json, location: str) -> bool:
    """Tell whether a bucket is in a region, or in several of which it is one."""
    where = str(bucket["location"]).lower()
    chosen = (bucket.get("customPlacementConfig") or {}).get("dataLocations")
    if chosen:
        return location in {str(one).lower() for one in chosen}
    if where in MULTI_REGIONS:
        return location.startswith(MULTI_REGIONS[where]) and (where != "eu" or location not in OUTSIDE_THE_UNION)
    return location in PAIRS.get(where, (where,))
