"""What the local cloud's pages tell users of clients, done."""

import re
from collections.abc import Callable
from typing import Any

import googleapiclient.discovery
import pytest

from tests.cloud import ROOT, LocalCloud

PAGES = [ROOT / "infra/emulator" / name for name in ("STORAGE.md", "PREDICTION.md")]
BUILT = re.compile(r'`build\("(\w+)", "(\w+)", client_options=\{"api_endpoint": "http://127\.0\.0\.1:8790([^"]*)"\}\)`')
LISTS: dict[str, Callable[[Any], Any]] = {
    "storage": lambda api: api.buckets().list(project="p"),
    "aiplatform": lambda api: api.projects().locations().models().list(parent="projects/p/locations/us-central1"),
    "ml": lambda api: api.projects().models().list(parent="projects/p"),
}


@pytest.mark.parametrize("told", [found for page in PAGES for found in BUILT.findall(page.read_text())])
def test_the_pages_say_how_to_build_a_client(local_cloud: LocalCloud, told: tuple[str, str, str]) -> None:
    """The address that a page gives googleapiclient is the one that answers."""
    api, version, address = told
    options = {"api_endpoint": local_cloud.url + address}
    with googleapiclient.discovery.build(api, version, client_options=options, developerKey="any") as client:
        assert isinstance(LISTS[api](client).execute(), dict)
