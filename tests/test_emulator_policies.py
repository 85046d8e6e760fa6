"""IAM policies under many writers at once: each reads, adds a member and writes; none is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud

WRITERS = 16
STALE = {409: "ABORTED", 412: "FAILED_PRECONDITION"}
PARENT = "projects/race-project/locations/us-central1"


@dataclass(frozen=True)
class Policy:
    """A resource's policy: how it is read and written."""

    read: Callable[[requests.Session], requests.Response]
    write: Callable[[requests.Session, dict[str, Any]], requests.Response]


def _posted(url: str) -> Policy:
    return Policy(
        lambda session: session.post(f"{url}:getIamPolicy", json={}, timeout=30),
        lambda session, policy: session.post(f"{url}:setIamPolicy", json={"policy": policy}, timeout=30),
    )


def _gotten(url: str) -> Policy:
    return Policy(
        lambda session: session.get(f"{url}:getIamPolicy", timeout=30),
        lambda session, policy: session.post(f"{url}:setIamPolicy", json={"policy": policy}, timeout=30),
    )


def _bucket(url: str) -> Policy:
    return Policy(
        lambda session: session.get(f"{url}/iam", timeout=30),
        lambda session, policy: session.put(f"{url}/iam", json=policy, timeout=30),
    )


@pytest.fixture(scope="module")
def policies(local_cloud: LocalCloud) -> Iterator[dict[str, Policy]]:
    """One resource of each API that has policies."""
    url = local_cloud.url
    ring = f"{url}/cloudkms/v1/{PARENT}/keyRings"
    pool = f"{url}/iam/v1/projects/race-project/locations/global/workloadIdentityPools"
    accounts = f"{url}/iam/v1/projects/race-project/serviceAccounts"
    for address, body in (
        (f"{url}/storage/v1/b?project=race-project", {"name": "race-bucket"}),
        (f"{ring}?keyRingId=race", {}),
        (f"{ring}/race/cryptoKeys?cryptoKeyId=race", {"purpose": "ENCRYPT_DECRYPT"}),
        (accounts, {"accountId": "race-account"}),
        (f"{pool}?workloadIdentityPoolId=race-pool", {}),
    ):
        assert requests.post(address, json=body, timeout=30).ok
    yield {
        "project": _posted(f"{url}/cloudresourcemanager/v1/projects/race-project"),
        "project v3": _posted(f"{url}/cloudresourcemanager/v3/projects/race-project-3"),
        "bucket": _bucket(f"{url}/storage/v1/b/race-bucket"),
        "account": _posted(f"{accounts}/race-account@race-project.iam.gserviceaccount.com"),
        "key": _gotten(f"{ring}/race/cryptoKeys/race"),
        "pool": _posted(f"{pool}/race-pool"),
    }


def add(policy: Policy, member: str) -> int:
    """Bring a member in by read, change and write under the etag; return how often another writer was first."""
    with requests.Session() as session:
        for tried in range(10 * WRITERS):
            found = policy.read(session).json()
            binding = {"role": "roles/viewer", "members": [member]}
            answer = policy.write(session, {**found, "bindings": [*found.get("bindings", []), binding]})
            if answer.ok:
                return tried
            error = answer.json()["error"]
            assert STALE[answer.status_code] == error["status"], error
    raise AssertionError(member)


@pytest.mark.parametrize("name", ["project", "project v3", "bucket", "account", "key", "pool"])
def test_no_writer_is_lost(policies: dict[str, Policy], name: str) -> None:
    """Sixteen writers at once on one policy: every member is in, and whoever came late was told so."""
    members = [f"user:writer-{number}@example.com" for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda member: add(policies[name], member), members))
    with requests.Session() as session:
        bindings = policies[name].read(session).json()["bindings"]
    viewers = [member for each in bindings if each["role"] == "roles/viewer" for member in each["members"]]
    assert sorted(viewers) == sorted(members)


@pytest.mark.parametrize("name", ["project", "bucket", "account", "key", "pool"])
def test_a_stale_etag_changes_nothing(policies: dict[str, Policy], name: str) -> None:
    """The write is refused as the service does, and the policy stays as it was."""
    with requests.Session() as session:
        before = policies[name].read(session).json()
        refused = policies[name].write(session, {**before, "etag": "c3RhbGU=", "bindings": []})
        assert STALE[refused.status_code] == refused.json()["error"]["status"]
        assert policies[name].read(session).json() == before


@pytest.mark.parametrize("name", ["project", "bucket", "account", "key", "pool"])
def test_a_policy_has_one_of_three_versions(policies: dict[str, Policy], name: str) -> None:
    """0, 1 or 3; there is no second one."""
    with requests.Session() as session:
        before = policies[name].read(session).json()
        assert policies[name].write(session, {**before, "version": 2}).status_code == 400
        assert policies[name].read(session).json() == before
