"""google-api-python-client, unmodified, on every API of the local cloud that is neither storage nor Vertex AI."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.cloud import LocalCloud
from tests.google import build

PROJECT = "projects/client-project"
PARENT = f"{PROJECT}/locations/us-central1"
MEMBER = "serviceAccount:robot-one@client-project.iam.gserviceaccount.com"


Client = Callable[[str, str], Any]


@pytest.fixture
def client(local_cloud: LocalCloud) -> Iterator[Client]:
    """Builds clients by API and version, and closes their connections."""
    built: list[Any] = []

    def make(api: str, version: str) -> Any:
        built.append(build(local_cloud, api, version))
        return built[-1]

    yield make
    for one in built:
        one.close()


def refused(request: Any) -> tuple[int, str, str]:
    """Execute a request that must fail; return code, status and message of Google's envelope."""
    with pytest.raises(HttpError) as caught:
        request.execute()
    error = json.loads(caught.value.content)["error"]
    assert caught.value.status_code == error["code"]
    return error["code"], error["status"], error["message"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_services_are_enabled_and_disabled(client: Client, version: str) -> None:
    """A service is disabled at first, enabled by an operation that is done, listed, and disabled again."""
    services = client("serviceusage", version).services()
    project = f"projects/services-{version}"
    name = f"{project}/services/notebooks.googleapis.com"
    assert services.get(name=name).execute()["state"] == "DISABLED"
    operation = services.enable(name=name, body={}).execute()
    assert operation["done"]
    assert operation["response"]["service"]["state"] == "ENABLED"
    operations = client("serviceusage", version).operations()
    assert operations.get(name=operation["name"]).execute() == operation
    enabled = services.list(parent=project, filter="state:ENABLED").execute()["services"]
    names = [service["config"]["name"] for service in enabled]
    assert names == ["aiplatform.googleapis.com", "notebooks.googleapis.com", "storage.googleapis.com"]
    services.disable(name=name, body={}).execute()
    assert refused(services.disable(name=name, body={}))[1] == "FAILED_PRECONDITION"


def test_services_are_enabled_in_batches_or_not_at_all(client: Client) -> None:
    """One unknown service in a batch leaves the others disabled."""
    services = client("serviceusage", "v1").services()
    wrong = {"serviceIds": ["iam.googleapis.com", "no such thing"]}
    assert refused(services.batchEnable(parent="projects/batch", body=wrong))[0] == 403
    name = "projects/batch/services/iam.googleapis.com"
    assert services.batchGet(parent="projects/batch", names=[name]).execute()["services"][0]["state"] == "DISABLED"
    right = {"serviceIds": ["iam.googleapis.com", "compute.googleapis.com"]}
    answer = services.batchEnable(parent="projects/batch", body=right).execute()
    assert [service["state"] for service in answer["response"]["services"]] == ["ENABLED", "ENABLED"]


def test_lists_come_in_pages(client: Client) -> None:
    """The client's own paging walks through every service once."""
    services = client("serviceusage", "v1").services()
    request, names = services.list(parent="projects/pages", pageSize=3), []
    while request is not None:
        answer = request.execute()
        assert len(answer["services"]) <= 3
        names += [service["name"] for service in answer["services"]]
        request = services.list_next(request, answer)
    assert len(names) == len(set(names)) > 6
    assert refused(services.list(parent="projects/pages", pageToken="nonsense"))[0] == 400


def test_every_project_exists(client: Client) -> None:
    """A project is found by id in both versions, by number in compute, and carries the one number."""
    old = client("cloudresourcemanager", "v1").projects().get(projectId="any-project").execute()
    assert (old["projectId"], old["projectNumber"], old["lifecycleState"]) == ("any-project", "123456789012", "ACTIVE")
    projects = client("cloudresourcemanager", "v3").projects()
    new = projects.get(name="projects/any-project").execute()
    assert (new["projectId"], new["name"], new["state"]) == ("any-project", "projects/123456789012", "ACTIVE")
    found = projects.search(query="id:any-project").execute()["projects"]
    assert [one["projectId"] for one in found] == ["any-project"]
    by_number = client("compute", "beta").projects().get(project="123456789012").execute()
    assert by_number["name"] == "any-project"


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_project_policy_refuses_a_stale_etag(client: Client, version: str) -> None:
    """Two writers read the same policy: the second one's write is ABORTED and changes nothing."""
    projects = client("cloudresourcemanager", version).projects()
    resource = f"policy-{version}" if version == "v1" else f"projects/policy-{version}"
    first = projects.getIamPolicy(resource=resource, body={}).execute()
    binding = {"role": "roles/aiplatform.user", "members": [MEMBER]}
    body = {"policy": {"bindings": [binding], "etag": first["etag"]}}
    written = projects.setIamPolicy(resource=resource, body=body).execute()
    assert written["etag"] != first["etag"]
    code, status, message = refused(projects.setIamPolicy(resource=resource, body={"policy": {"etag": first["etag"]}}))
    assert (code, status) == (409, "ABORTED")
    assert "concurrent policy changes" in message
    assert projects.getIamPolicy(resource=resource, body={}).execute() == written


def test_conditional_bindings_need_version_3(client: Client) -> None:
    """Conditions are kept for readers of version 3, written as a role name that tells for others, refused below 3."""
    projects = client("cloudresourcemanager", "v1").projects()
    condition = {"title": "until", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
    binding = {"role": "roles/viewer", "members": [MEMBER], "condition": condition}
    too_old = {"policy": {"bindings": [binding], "version": 1}}
    assert refused(projects.setIamPolicy(resource="conditions", body=too_old))[0] == 400
    policy = {"bindings": [binding], "version": 3}
    projects.setIamPolicy(resource="conditions", body={"policy": policy}).execute()
    asked = {"options": {"requestedPolicyVersion": 3}}
    assert projects.getIamPolicy(resource="conditions", body=asked).execute()["bindings"] == [binding]
    plain = projects.getIamPolicy(resource="conditions", body={}).execute()["bindings"][0]
    assert plain["role"].startswith("roles/viewer_withcond_")
    assert "condition" not in plain


def test_policies_are_checked(client: Client) -> None:
    """A member without a type and a role without its prefix are refused; the same binding twice becomes one."""
    projects = client("cloudresourcemanager", "v1").projects()
    no_type = {"policy": {"bindings": [{"role": "roles/viewer", "members": ["robot@example.com"]}]}}
    assert (
        "robot@example.com is of an unknown type" in refused(projects.setIamPolicy(resource="checked", body=no_type))[2]
    )
    no_role = {"policy": {"bindings": [{"role": "viewer", "members": [MEMBER]}]}}
    assert refused(projects.setIamPolicy(resource="checked", body=no_role))[0] == 400
    twice = {"policy": {"bindings": [{"role": "roles/viewer", "members": [MEMBER]}] * 2}}
    written = projects.setIamPolicy(resource="checked", body=twice).execute()
    assert written["bindings"] == [{"role": "roles/viewer", "members": [MEMBER]}]
    asked = {"permissions": ["storage.objects.get"]}
    assert projects.testIamPermissions(resource="checked", body=asked).execute() == asked


def test_service_account_lives_its_life(client: Client) -> None:
    """A service account is created once, changed by a mask in the body, switched off and on, deleted, brought back."""
    accounts = client("iam", "v1").projects().serviceAccounts()
    body = {"accountId": "robot-one", "serviceAccount": {"displayName": "one", "description": "first"}}
    made = accounts.create(name=PROJECT, body=body).execute()
    assert made["email"] == "robot-one@client-project.iam.gserviceaccount.com"
    code, status, message = refused(accounts.create(name=PROJECT, body=body))
    assert (code, status) == (409, "ALREADY_EXISTS")
    assert message == "Service account robot-one already exists within project projects/client-project."
    change = {"serviceAccount": {"displayName": "two", "description": "ignored"}, "updateMask": "display_name"}
    changed = accounts.patch(name=made["name"], body=change).execute()
    assert (changed["displayName"], changed["description"]) == ("two", "first")
    stale = {"serviceAccount": {"displayName": "three", "etag": made["etag"]}, "updateMask": "displayName"}
    assert refused(accounts.patch(name=made["name"], body=stale))[1] == "ABORTED"
    accounts.disable(name=made["name"], body={}).execute()
    assert accounts.get(name=f"projects/-/serviceAccounts/{made['uniqueId']}").execute()["disabled"]
    accounts.enable(name=made["name"], body={}).execute()
    assert [one["email"] for one in accounts.list(name=PROJECT).execute()["accounts"]] == [made["email"]]
    assert accounts.delete(name=made["name"]).execute() == {}
    assert refused(accounts.get(name=made["name"]))[:2] == (404, "NOT_FOUND")
    again = accounts.undelete(name=f"projects/-/serviceAccounts/{made['uniqueId']}", body={}).execute()
    assert again["restoredAccount"]["email"] == made["email"]
    assert refused(accounts.keys().create(name=made["name"], body={}))[:2] == (501, "UNIMPLEMENTED")


def test_service_account_policy_goes_with_its_account(client: Client) -> None:
    """A policy is read and written by name, and a new account of the old name starts without one."""
    accounts = client("iam", "v1").projects().serviceAccounts()
    name = accounts.create(name=PROJECT, body={"accountId": "robot-two"}).execute()["name"]
    policy = {"bindings": [{"role": "roles/iam.serviceAccountUser", "members": ["user:owner@example.com"]}]}
    accounts.setIamPolicy(resource=name, body={"policy": policy}).execute()
    assert accounts.getIamPolicy(resource=name).execute()["bindings"] == policy["bindings"]
    accounts.delete(name=name).execute()
    accounts.create(name=PROJECT, body={"accountId": "robot-two"}).execute()
    assert "bindings" not in accounts.getIamPolicy(resource=name).execute()


def test_workbench_instance_lives_its_life(client: Client) -> None:
    """An instance echoes what was sent, fills in the rest, is stopped, changed by a mask, resized, started, deleted."""
    instances = client("notebooks", "v2").projects().locations().instances()
    setup = {"machineType": "e2-standard-2", "tags": ["mine"], "metadata": {"idle-timeout-seconds": "600"}}
    body = {"gceSetup": setup, "labels": {"team": "a"}}
    operation = instances.create(parent=PARENT, instanceId="book", body=body).execute()
    made = operation["response"]
    assert operation["metadata"]["@type"] == "type.googleapis.com/google.cloud.notebooks.v2.OperationMetadata"
    assert made["gceSetup"]["tags"] == ["deeplearning-vm", "mine", "notebook-instance"]
    assert made["gceSetup"]["serviceAccounts"][0]["scopes"] == ["https://www.googleapis.com/auth/cloud-platform"]
    assert refused(instances.create(parent=PARENT, instanceId="book", body=body))[:2] == (409, "ALREADY_EXISTS")
    name = made["name"]
    assert instances.stop(name=name, body={}).execute()["response"]["state"] == "STOPPED"
    change = {"gceSetup": {"machineType": "e2-standard-4", "metadata": {}}, "labels": {"team": "b"}}
    patched = instances.patch(name=name, updateMask="gce_setup.machine_type,labels", body=change).execute()["response"]
    assert patched["gceSetup"]["machineType"] == "e2-standard-4"
    assert patched["gceSetup"]["metadata"] == setup["metadata"]
    assert patched["gceSetup"]["instanceId"] == made["gceSetup"]["instanceId"]
    emptied = {"gceSetup": {"metadata": {"idle-timeout-seconds": "", "kept": "1"}}}
    patched = instances.patch(name=name, updateMask="gceSetup.metadata", body=emptied).execute()["response"]
    assert patched["gceSetup"]["metadata"] == {"kept": "1"}
    resized = {"dataDisk": {"diskSizeGb": "200"}}
    answer = instances.resizeDisk(notebookInstance=name, body=resized).execute()
    assert answer["response"]["gceSetup"]["dataDisks"][0]["diskSizeGb"] == "200"
    assert refused(instances.resizeDisk(notebookInstance=name, body={"bootDisk": {"diskSizeGb": "1"}}))[0] == 400
    assert instances.start(name=name, body={}).execute()["response"]["state"] == "ACTIVE"
    listed = instances.list(parent=PARENT, filter="state:ACTIVE AND labels.team=b", orderBy="name desc")
    assert [one["id"] for one in listed.execute()["instances"]] == ["book"]
    assert instances.list(parent=PARENT, filter='labels.team="a"').execute() == {}
    assert refused(instances.list(parent=PARENT, filter="colour=blue"))[0] == 400
    instances.delete(name=name).execute()
    code, _, message = refused(instances.get(name=name))
    assert (code, message) == (404, f"Resource '{name}' was not found")
    assert instances.list(parent=PARENT).execute() == {}


def test_protected_instance_is_not_deleted(client: Client) -> None:
    """Deletion protection holds until it is taken off."""
    instances = client("notebooks", "v2").projects().locations().instances()
    instances.create(parent=PARENT, instanceId="safe", body={"enableDeletionProtection": True}).execute()
    name = f"{PARENT}/instances/safe"
    assert refused(instances.delete(name=name))[:2] == (400, "FAILED_PRECONDITION")
    instances.patch(name=name, updateMask="enableDeletionProtection", body={}).execute()
    assert instances.delete(name=name).execute()["done"]


def test_repository_lives_its_life(client: Client) -> None:
    """A repository is created by an operation, patched at once, guarded by a policy, deleted."""
    location = client("artifactregistry", "v1").projects().locations()
    repositories = location.repositories()
    body = {"format": "DOCKER", "description": "one", "labels": {"a": "b"}}
    operation = repositories.create(parent=PARENT, repositoryId="images", body=body).execute()
    assert location.operations().get(name=operation["name"]).execute() == operation
    name = operation["response"]["name"]
    assert repositories.get(name=name).execute()["mode"] == "STANDARD_REPOSITORY"
    assert refused(repositories.create(parent=PARENT, repositoryId="images", body=body))[0] == 409
    patched = repositories.patch(name=name, updateMask="description", body={"description": "two"}).execute()
    assert (patched["description"], patched["labels"]) == ("two", {"a": "b"})
    assert refused(repositories.patch(name=name, updateMask="format", body={"format": "NPM"}))[0] == 400
    policy = {"bindings": [{"role": "roles/artifactregistry.reader", "members": [MEMBER]}]}
    repositories.setIamPolicy(resource=name, body={"policy": policy}).execute()
    assert repositories.getIamPolicy(resource=name).execute()["bindings"] == policy["bindings"]
    repositories.delete(name=name).execute()
    assert refused(repositories.get(name=name))[2] == "Requested entity was not found."


def test_project_number_names_the_same_resources(client: Client) -> None:
    """What was made under a project's id is found under its number, and the reverse."""
    repositories = client("artifactregistry", "v1").projects().locations().repositories()
    parent = "projects/numbered-project/locations/us-central1"
    repositories.create(parent=parent, repositoryId="images", body={"format": "DOCKER"}).execute()
    by_number = f"{parent.replace('numbered-project', '123456789012')}/repositories/images"
    assert repositories.get(name=by_number).execute()["name"] == f"{parent}/repositories/images"
    repositories.delete(name=by_number).execute()
    assert refused(repositories.get(name=f"{parent}/repositories/images"))[0] == 404
