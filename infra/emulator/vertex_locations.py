"""aiplatform locations: the regions that clients may ask for. Every one of them is this machine."""

from infra.emulator.calls import Call, handles
from infra.emulator.errors import not_found
from infra.emulator.generic import page
from infra.emulator.resources import Json

REGIONS = {
    "asia-east1": "Taiwan",
    "asia-northeast1": "Tokyo",
    "asia-southeast1": "Singapore",
    "australia-southeast1": "Sydney",
    "europe-west1": "Belgium",
    "europe-west2": "London",
    "europe-west3": "Frankfurt",
    "europe-west4": "Netherlands",
    "northamerica-northeast1": "Montréal",
    "southamerica-east1": "São Paulo",
    "us-central1": "Iowa",
    "us-east1": "South Carolina",
    "us-east4": "Northern Virginia",
    "us-west1": "Oregon",
}


def _location(project: str, region: str) -> Json:
    name = f"{project}/locations/{region}"
    labels = {"cloud.googleapis.com/region": region}
    return {"name": name, "locationId": region, "displayName": REGIONS[region], "labels": labels}


@handles("aiplatform.projects.locations.get")
def get(call: Call) -> Json:
    """Return a region."""
    project, _, region = call.path["name"].partition("/locations/")
    if region not in REGIONS:
        raise not_found(f"Location {region!r} is not found. Regions: {', '.join(REGIONS)}.")
    return _location(project, region)


@handles("aiplatform.projects.locations.list")
def list_locations(call: Call) -> Json:
    """List the regions."""
    return page(call, [_location(call.path["name"], region) for region in REGIONS], "locations")
