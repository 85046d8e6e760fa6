"""Keys and networks that others use: taken only where they are there, within reach, and granted to the service."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud

P = "projects/keys-project"
RING = f"{P}/locations/us-central1/keyRings/r"
NUMBER = "123456789012"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
DISK = {"diskEncryption": "CMEK"}
CONTAINER = {"imageUri": "i", "predictRoute": "/p", "healthRoute": "/h"}

Use = Callable[[LocalCloud, str], requests.Response]


def post(cloud: LocalCloud, path: str, body: Any) -> requests.Response:
    """Send a body."""
    return requests.post(cloud.url + path, json=body, timeout=30)


def make_key(cloud: LocalCloud, name: str, *agents: str) -> str:
    """Make a key that the accounts of some services may use; return its name."""
    post(cloud, f"/cloudkms/v1/{P}/locations/us-central1/keyRings?keyRingId=r", {})
    made = post(cloud, f"/cloudkms/v1/{RING}/cryptoKeys?cryptoKeyId={name}", {"purpose": "ENCRYPT_DECRYPT"}).json()
    members = [f"serviceAccount:service-{NUMBER}@{agent}.iam.gserviceaccount.com" for agent in agents]
    policy = {"bindings": [{"role": ROLE, "members": members}] if members else []}
    assert post(cloud, f"/cloudkms/v1/{made['name']}:setIamPolicy", {"policy": policy}).ok
    return str(made["name"])


def bucket(cloud: LocalCloud, key: str) -> requests.Response:
    """Make a bucket under a key."""
    body = {"name": f"under-{key.rpartition('/')[2]}", "location": "us-central1"}
    return post(cloud, "/storage/v1/b?project=keys-project", {**body, "encryption": {"defaultKmsKeyName": key}})


def endpoint(cloud: LocalCloud, key: str) -> requests.Response:
    """Make an endpoint under a key."""
    body = {"displayName": "e", "encryptionSpec": {"kmsKeyName": key}}
    return post(cloud, f"/aiplatform/v1/{P}/locations/us-central1/endpoints", body)


def model(cloud: LocalCloud, key: str) -> requests.Response:
    """Upload a model without an artifact under a key."""
    sent = {"displayName": "m", "containerSpec": CONTAINER, "encryptionSpec": {"kmsKeyName": key}}
    return post(cloud, f"/aiplatform/v1/{P}/locations/us-central1/models:upload", {"model": sent})


def notebook(cloud: LocalCloud, key: str) -> requests.Response:
    """Make a notebook with both disks under a key."""
    disk = {**DISK, "kmsKey": key}
    path = f"/notebooks/v2/{P}/locations/us-central1-a/instances?instanceId=n-{key.rpartition('/')[2]}"
    return post(cloud, path, {"gceSetup": {"bootDisk": disk, "dataDisks": [disk]}})


USES: dict[str, tuple[Use, tuple[str, ...]]] = {
    "bucket": (bucket, ("gs-project-accounts",)),
    "endpoint": (endpoint, ("gcp-sa-aiplatform",)),
    "model": (model, ("gcp-sa-aiplatform",)),
    "notebook": (notebook, ("gcp-sa-notebooks", "compute-system")),
}


@pytest.mark.parametrize("name", USES)
def test_a_key_is_taken_where_the_services_account_may_use_it(local_cloud: LocalCloud, name: str) -> None:
    """Granted to the right account it is used; granted to another's it is refused, and the key is named."""
    use, agents = USES[name]
    assert use(local_cloud, make_key(local_cloud, f"{name}-granted", *agents)).ok
    key = make_key(local_cloud, f"{name}-refused", "gcp-sa-other")
    refused = use(local_cloud, key)
    assert refused.status_code == 403
    assert key in refused.json()["error"]["message"]


@pytest.mark.parametrize("name", USES)
def test_every_account_that_a_service_acts_as_needs_the_grant(local_cloud: LocalCloud, name: str) -> None:
    """A notebook's disks are Compute Engine's as well: each grant that is missing is one refusal."""
    use, agents = USES[name]
    for missing in agents:
        others = [agent for agent in agents if agent != missing]
        assert use(local_cloud, make_key(local_cloud, f"{name}-without-{missing}", *others)).status_code == 403


@pytest.mark.parametrize("name", USES)
def test_a_key_that_is_not_there_elsewhere_or_destroyed_is_refused(local_cloud: LocalCloud, name: str) -> None:
    """Unknown: 403, which tells nobody whether it exists; of another region or without a live version: 400."""
    use, agents = USES[name]
    assert use(local_cloud, f"{RING}/cryptoKeys/none").status_code == 403
    elsewhere = use(local_cloud, f"{P}/locations/europe-west4/keyRings/r/cryptoKeys/k")
    assert (elsewhere.status_code, "europe-west4" in elsewhere.text) == (400, True)
    key = make_key(local_cloud, f"{name}-destroyed", *agents)
    assert post(local_cloud, f"/cloudkms/v1/{key}/cryptoKeyVersions/1:destroy", {}).ok
    destroyed = use(local_cloud, key)
    assert destroyed.status_code == 400
    assert "is not enabled, current state is: DESTROY_SCHEDULED" in destroyed.text


def test_a_grant_on_the_ring_or_the_project_counts(local_cloud: LocalCloud) -> None:
    """Policies are inherited: the ring's and the project's hold for the key."""
    member = f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    key = make_key(local_cloud, "inherited")
    assert bucket(local_cloud, key).status_code == 403
    policy = {"bindings": [{"role": ROLE, "members": [member]}]}
    assert post(local_cloud, f"/cloudkms/v1/{RING}:setIamPolicy", {"policy": policy}).ok
    assert bucket(local_cloud, key).ok
    assert post(local_cloud, f"/cloudkms/v1/{RING}:setIamPolicy", {"policy": {"bindings": []}}).ok


def test_a_bucket_keeps_its_key_while_other_settings_change(local_cloud: LocalCloud) -> None:
    """Only a new key is checked: a bucket whose key was destroyed can still be changed, and be given another."""
    key = make_key(local_cloud, "changing", "gs-project-accounts")
    assert bucket(local_cloud, key).ok
    assert post(local_cloud, f"/cloudkms/v1/{key}/cryptoKeyVersions/1:destroy", {}).ok
    url = f"{local_cloud.url}/storage/v1/b/under-changing"
    assert requests.patch(url, json={"labels": {"a": "b"}}, timeout=30).ok
    assert requests.patch(url, json={"encryption": {"defaultKmsKeyName": f"{key}-2"}}, timeout=30).status_code == 403
    assert requests.patch(url, json={"encryption": None}, timeout=30).ok
    assert "encryption" not in requests.get(url, timeout=30).json()


def test_a_disks_key_and_its_kind_of_encryption_go_together(local_cloud: LocalCloud) -> None:
    """CMEK without a key, and a key without CMEK, are refused."""
    path = f"/notebooks/v2/{P}/locations/us-central1-a/instances?instanceId=odd"
    for disk in (DISK, {"kmsKey": f"{RING}/cryptoKeys/k"}):
        refused = post(local_cloud, path, {"gceSetup": {"bootDisk": disk}})
        assert (refused.status_code, "CMEK" in refused.text) == (400, True)


def test_a_notebook_is_in_a_network_that_is_there_and_keeps_it(local_cloud: LocalCloud) -> None:
    """An unknown subnetwork is refused; a used one cannot be deleted before the notebook."""
    compute, name = f"{local_cloud.url}/compute/compute/v1/{P}", "regions/us-central1/subnetworks/desk"
    path = f"/notebooks/v2/{P}/locations/us-central1-a/instances?instanceId=at-desk"
    body = {"gceSetup": {"networkInterfaces": [{"network": f"{P}/global/networks/desk", "subnet": f"{P}/{name}"}]}}
    assert post(local_cloud, path, body).status_code == 404
    network: Any = {"name": "desk", "autoCreateSubnetworks": False}
    assert requests.post(f"{compute}/global/networks", json=network, timeout=30).ok
    inside = {"name": "desk", "network": "global/networks/desk", "ipCidrRange": "10.77.0.0/24"}
    assert requests.post(f"{compute}/regions/us-central1/subnetworks", json=inside, timeout=30).ok
    assert post(local_cloud, path, body).ok
    assert "already being used by" in requests.delete(f"{compute}/{name}", timeout=30).text
    instance = f"{local_cloud.url}/notebooks/v2/{P}/locations/us-central1-a/instances/at-desk"
    assert requests.delete(instance, timeout=30).ok
    assert requests.delete(f"{compute}/{name}", timeout=30).ok
