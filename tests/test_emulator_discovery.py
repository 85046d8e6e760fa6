"""Addresses are found in Google's discovery documents as Google finds them."""

import pytest

from infra.emulator import apis
from infra.emulator.calls import HANDLERS
from infra.emulator.discovery import VERSIONS, document
from tests.discovery_tree import methods


def test_every_handler_is_a_method_of_a_served_document() -> None:
    """No handler waits for a call that cannot come."""
    assert apis.__all__
    known = {
        method.id
        for api, versions in VERSIONS.items()
        for version in versions
        for _, _, _, method in methods(document(api, version).root)
    }
    assert set(HANDLERS) - known == set()


@pytest.mark.parametrize(
    ("api", "version", "verb", "path", "method_id", "parameters"),
    [
        (
            "aiplatform",
            "v1",
            "POST",
            "projects/p/locations/l/endpoints/1:predict",
            "endpoints.predict",
            ["projects/p/locations/l/endpoints/1"],
        ),
        (
            "aiplatform",
            "v1",
            "GET",
            "projects/p/locations/l/models/7%402",
            "models.get",
            ["projects/p/locations/l/models/7@2"],
        ),
        (
            "aiplatform",
            "v1",
            "GET",
            "projects/p/locations/l/models/7@default",
            "models.get",
            ["projects/p/locations/l/models/7@default"],
        ),
        (
            "ml",
            "v1",
            "POST",
            "projects/p/models/m/versions/v:predict",
            "ml.projects.predict",
            ["projects/p/models/m/versions/v"],
        ),
        ("storage", "v1", "GET", "b/bucket/o/a%2Fb:c%25", "storage.objects.get", ["bucket", "a/b:c%"]),
        ("storage", "v1", "GET", "b/bucket/anywhereCaches/", "storage.anywhereCaches.list", ["bucket"]),
        ("cloudresourcemanager", "v1", "POST", "projects/p:getIamPolicy", "projects.getIamPolicy", ["p"]),
        ("serviceusage", "v1", "GET", "operations/1", "serviceusage.operations.get", ["operations/1"]),
        (
            "artifactregistry",
            "v1",
            "GET",
            "projects/p/locations/l/repositories/r/files/a/b/c",
            "files.get",
            ["projects/p/locations/l/repositories/r/files/a/b/c"],
        ),
    ],
)
def test_addresses_mean_methods(
    api: str, version: str, verb: str, path: str, method_id: str, parameters: list[str]
) -> None:
    """Custom verbs come first, names may hold what is percent-encoded, greedy patterns take the rest."""
    found = document(api, version).find(verb, path)
    assert found is not None
    assert found[0].id.endswith(method_id)
    assert list(found[1].values()) == parameters
