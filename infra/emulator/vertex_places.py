"""Where a bucket or a model is, held against the location that a request of Vertex AI goes to.

Buckets by the service's own refusal (python-aiplatform#885); its page on batch predictions allows a multi-region that
contains the location.
"""

import re

from infra.emulator.calls import Call, Cloud
from infra.emulator.errors import failed_precondition, invalid
from infra.emulator.objects import find_bucket
from infra.emulator.vertex_locations import REGIONS
from infra.emulator.vertex_rules import refuse
from infra.places.multi_regions import covers

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
    if bucket and not covers(bucket, location):
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
