"""aiplatform locations: the regions that clients may ask for. Every one of them is this machine."""

from infra.emulator.calls import Call, handles
from infra.emulator.errors import not_found
from infra.emulator.generic import page
from infra.emulator.resources import Json

REGIONS = {
    "africa-south1": "Johannesburg",
    "asia-east1": "Taiwan",
    "asia-east2": "Hong Kong",
    "asia-northeast1": "Tokyo",
    "asia-northeast2": "Osaka",
    "asia-northeast3": "Seoul",
    "asia-south1": "Mumbai",
    "asia-south2": "Delhi",
    "asia-southeast1": "Singapore",
    "asia-southeast2": "Jakarta",
    "asia-southeast3": "Bangkok",
    "australia-southeast1": "Sydney",
    "australia-southeast2": "Melbourne",
    "europe-central2": "Warsaw",
    "europe-north1": "Finland",
    "europe-north2": "Stockholm",
    "europe-southwest1": "Madrid",
    "europe-west1": "Belgium",
    "europe-west10": "Berlin",
    "europe-west12": "Turin",
    "europe-west2": "London",
    "europe-west3": "Frankfurt",
    "europe-west4": "Netherlands",
    "europe-west6": "Zurich",
    "europe-west8": "Milan",
    "europe-west9": "Paris",
    "me-central1": "Doha",
    "me-central2": "Dammam",
    "me-west1": "Tel Aviv",
    "northamerica-northeast1": "Montréal",
    "northamerica-northeast2": "Toronto",
    "southamerica-east1": "São Paulo",
    "southamerica-west1": "Santiago",
    "us-central1": "Iowa",
    "us-east1": "South Carolina",
    "us-east4": "Northern Virginia",
    "us-east5": "Columbus",
    "us-south1": "Dallas",
    "us-west1": "Oregon",
    "us-west2": "Los Angeles",
    "us-west3": "Salt Lake City",
    "us-west4": "Las Vegas",
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
