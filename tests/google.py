"""Google's own API clients, pointed at a local cloud."""

from typing import Any

import googleapiclient.discovery
from google.oauth2.credentials import Credentials

from tests.cloud import LocalCloud

# Below which address a client finds its API: the paths of most documents start with the version, those of the first
# generation (storage, compute) do not.
ADDRESSES = {"storage": "/storage/v1/", "compute": "/compute/compute/{version}/"}


def build(cloud: LocalCloud, api: str, version: str) -> Any:
    """Build google-api-python-client's client of an API from the document that it ships; its user closes it."""
    address = ADDRESSES.get(api, "/{api}/").format(api=api, version=version)
    return googleapiclient.discovery.build(
        api,
        version,
        static_discovery=True,
        credentials=Credentials("local"),  # type: ignore[no-untyped-call]  # google-auth annotates half of itself
        client_options={"api_endpoint": cloud.url + address},
        num_retries=0,
    )
