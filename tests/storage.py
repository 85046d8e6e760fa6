"""Google's own storage client, and plain HTTP, pointed at a local cloud."""

import itertools
from datetime import timedelta
from functools import cache
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.cloud import LocalCloud

_numbers = itertools.count(1)


@cache
def storage_client(cloud: LocalCloud) -> storage.Client:
    """Return google-cloud-storage's client for a local cloud; kept, so that no test leaves open connections behind."""
    options = {"api_endpoint": cloud.url}
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth annotates half of itself
    return storage.Client(project="local-project", credentials=credentials, client_options=options)


def new_bucket(client: storage.Client, **settings: Any) -> storage.Bucket:
    """Create a bucket with a name of its own."""
    bucket = client.bucket(f"test-bucket-{next(_numbers)}")
    for name, value in settings.items():
        setattr(bucket, name, value)
    return client.create_bucket(bucket, location="us-central1")


def call(cloud: LocalCloud, method: str, path: str, **arguments: Any) -> requests.Response:
    """Send one plain HTTP request."""
    return requests.request(method, cloud.url + path, timeout=30, **arguments)


def reason(response: requests.Response) -> str:
    """Return the reason that a refusal names."""
    return str(response.json()["error"]["errors"][0]["reason"])


def advance(cloud: LocalCloud, **by: float) -> None:
    """Move a local cloud's clock on."""
    call(cloud, "POST", "/_local/clock", json={"advanceSeconds": timedelta(**by).total_seconds()}).raise_for_status()
