"""The doctor: a sound local stack is sound, each thing that is wrong has its remedy, Google is asked what it knows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import httplib2
import pytest
import requests
from invoke import Exit

from infra import check_tasks, doctor, google_client, leftovers, stacks
from infra.doctor import CHECKS, Finding, Patient, examine
from infra.google_apis import APIS, connection_to
from infra.google_client import PredictionApiError
from infra.names import Names
from infra.settings import NAMESPACE, from_config, local_stack_config
from infra.stacks import Stack, StackError, read_stack, write_stack
from infra.state_backend import choose_bucket, make_bucket
from infra.storage_client import storage_client
from tests.cloud import LocalCloud
from tests.discovery import check_request
from tests.local_stack import outputs, unique

POOL = "Workflows of me/it, for stack "
GOOGLE = {"gcp:project": "my-project", "gcp:region": "europe-west4", f"{NAMESPACE}:notebook": True}


@pytest.fixture
def stack(local_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A local stack `local` with a bucket of the test's own, in a folder of the test's own."""
    monkeypatch.setattr(stacks, "FOLDER", tmp_path)
    config = {**local_stack_config(local_cloud.url), f"{NAMESPACE}:bucket": unique("doctor")}
    return write_stack("local", config, "v1:salt")


def by_check(name: str = "local") -> dict[str, Finding]:
    """Return what the doctor finds."""
    return {finding.check: finding for finding in examine(name)}


def test_what_a_local_stack_needs_is_looked_at(stack: Stack) -> None:
    """Every check runs; before the first up the APIs are off, and the line says what turns them on."""
    found = by_check()
    assert list(found) == ["stack file", *CHECKS]
    assert {check for check, finding in found.items() if not finding.ok} <= {"APIs"}
    assert found["APIs"].ok or found["APIs"].remedy == "Run: invoke up --stack local"
    assert "not there yet" in found["bucket"].detail
    assert stack.local_url in found["cloud"].detail


def test_a_bucket_in_another_region_is_found(stack: Stack, local_cloud: LocalCloud) -> None:
    """A bucket that somebody made elsewhere would make every job fail, after money is spent."""
    name = str(stack.setting("bucket"))
    storage_client(outputs(local_cloud)).create_bucket(name, location="europe-west1")
    found = by_check()["bucket"]
    assert not found.ok
    assert found.detail == f"{name} is in europe-west1, models and jobs in us-central1"
    assert "config set" in found.remedy


def test_a_broken_stack_file_ends_the_examination(stack: Stack) -> None:
    """Nothing can be asked for a stack whose file is wrong."""
    stack.path.write_text(stack.path.read_text() + f"  {NAMESPACE}:machinType: n1-standard-2\n")
    (finding,) = examine("local")
    assert not finding.ok
    assert "Did you mean 'machineType'?" in finding.detail + finding.remedy
    assert "run: pulumi config rm" in finding.remedy


@pytest.mark.parametrize(
    ("backend", "passphrase", "ok", "told"),
    [
        ("", None, True, "where you are logged in"),
        ("https://api.pulumi.com", None, True, "https://api.pulumi.com"),
        ("gs://my-state", None, False, "gs://my-state, without a passphrase for its secrets"),
        ("gs://my-state", "", True, "gs://my-state, sealed"),
    ],
)
def test_a_state_of_ones_own_needs_a_passphrase(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, backend: str, passphrase: str | None, ok: bool, told: str
) -> None:
    """The CLI would ask for it half-way, or fail where nobody is there to answer."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    for name in doctor.PASSPHRASES:
        monkeypatch.delenv(name, raising=False)
    if passphrase is not None:
        monkeypatch.setenv(doctor.PASSPHRASES[0], passphrase)
    path = stack.path.parent / "Pulumi.dev.yaml"
    config = {**GOOGLE, f"{NAMESPACE}:stateBackend": backend}
    path.write_text(json.dumps({"config": config}))
    found = doctor.state(Patient(Stack("dev", path, config), from_config(config)))
    assert (found.ok, found.detail.startswith(told)) == (ok, True)
    assert "export PULUMI_CONFIG_PASSPHRASE" in found.remedy or ok


def test_a_cloud_that_does_not_answer_is_the_last_finding(stack: Stack) -> None:
    """Without it the rest could only fail for the same reason."""
    text = stack.path.read_text().replace(stack.local_url, "http://127.0.0.1:1")
    stack.path.write_text(text)
    *_, last = examine("local")
    assert (last.check, last.ok) == ("cloud", False)
    assert last.remedy == "Run: invoke local.start --port 1"


def test_a_google_stack_without_cli_and_credentials_says_both(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the command that brings it."""
    from google.auth import exceptions

    def none(**_: Any) -> Any:
        raise exceptions.DefaultCredentialsError("none")  # type: ignore[no-untyped-call]  # google-auth's halfway types

    monkeypatch.setattr("google.auth.default", none)
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    (stack.path.parent / "Pulumi.dev.yaml").write_text(json.dumps({"config": GOOGLE}))
    found = by_check("dev")
    assert list(found) == ["stack file", "engine", "state", "cloud"]
    assert "Pulumi CLI" in found["engine"].detail
    assert found["cloud"].remedy == "Run: gcloud auth application-default login"


class Google(httplib2.Http):  # type: ignore[misc]  # httplib2 publishes no types
    """Answers as Google would, by the id of the method; every request is checked against its document."""

    answers: ClassVar[dict[str, dict[str, Any]]] = {}
    asked: ClassVar[list[str]] = []

    def request(self, uri: str, method: str = "GET", body: Any = None, **_: Any) -> tuple[httplib2.Response, bytes]:
        """Take a request."""
        host = uri.split("/")[2].removesuffix(".googleapis.com")
        api = "aiplatform" if host.endswith("aiplatform") else host
        version = uri.split("/")[4] if api in {"compute", "storage"} else uri.split("/")[3]
        called = check_request(f"{api}.{version}", method, uri, json.loads(body) if body else {})
        self.asked.append(called)
        answer = self.answers.get(called, {})
        return httplib2.Response({"status": str(answer.get("status", 200))}), json.dumps(answer).encode()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> type[Google]:
    """Google's servers, as far as the doctor asks them."""
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token")
    monkeypatch.setattr(Google, "answers", {})
    monkeypatch.setattr(Google, "asked", [])
    monkeypatch.setattr("google_auth_httplib2.AuthorizedHttp", lambda _credentials, http: http)
    monkeypatch.setattr("httplib2.Http", Google)
    monkeypatch.setattr(google_client, "_client", google_client._client.__wrapped__)  # keep no such client
    return Google


PATIENT = Patient(Stack("dev", Path("Pulumi.dev.yaml"), GOOGLE), from_config(GOOGLE))


@pytest.mark.parametrize(
    ("look", "called", "answer", "ok", "told"),
    [
        (doctor.project, "cloudresourcemanager.projects.get", {"state": "ACTIVE"}, True, "my-project is active"),
        (doctor.project, "cloudresourcemanager.projects.get", {"state": "DELETE_REQUESTED"}, False, "delete_requested"),
        (
            doctor.apis,
            "serviceusage.services.batchGet",
            {"services": [{"name": "projects/1/services/iam.googleapis.com", "state": "DISABLED"}]},
            False,
            "iam.googleapis.com not enabled",
        ),
        (
            doctor.permissions,
            "cloudresourcemanager.projects.testIamPermissions",
            {"permissions": [*doctor.PERMISSIONS, *doctor.FOR_IMAGE[:2]]},
            False,
            "not allowed: notebooks.instances.create, resourcemanager.projects.setIamPolicy",
        ),
        (doctor.bucket, "storage.buckets.get", {"location": "EUROPE-WEST4"}, True, "is in europe-west4"),
        (doctor.bucket, "storage.buckets.get", {"location": "EU"}, True, "is in eu"),
        (doctor.bucket, "storage.buckets.get", {"location": "US"}, False, "is in us"),
    ],
)
def test_google_is_asked_by_documented_requests(
    google: type[Google], look: Callable[[Patient], Finding], called: str, answer: Any, ok: bool, told: str
) -> None:
    """Method, parameters and body are in the discovery documents; the answer is read as Google writes it."""
    google.answers[called] = answer
    found = look(PATIENT)
    assert google.asked == [called]
    assert found.ok is ok
    assert told in found.detail
    assert found.remedy


@pytest.mark.parametrize(("limit", "ok"), [("24", True), ("-1", True), ("0", False)])
def test_a_region_without_machines_is_found(google: type[Google], limit: str, ok: bool) -> None:
    """The region's own limit counts, where it has one; -1 is no limit."""
    buckets = [{"effectiveLimit": "99"}, {"effectiveLimit": limit, "dimensions": {"region": "europe-west4"}}]
    google.answers["serviceusage.services.consumerQuotaMetrics.list"] = {
        "metrics": [
            {
                "metric": "aiplatform.googleapis.com/custom_model_serving_cpus",
                "consumerQuotaLimits": [{"quotaBuckets": buckets}],
            },
            {"metric": "aiplatform.googleapis.com/custom_model_serving_nvidia_t4_gpus"},
        ]
    }
    found = doctor.quota(PATIENT)
    assert (found.ok, found.detail) == (ok, f"{limit} vCPUs for predictions in europe-west4")
    google.answers["serviceusage.services.consumerQuotaMetrics.list"] = {"status": 403, "error": {"message": "no"}}
    assert doctor.quota(PATIENT).detail.startswith("not known: serviceusage refuses")


def test_a_local_cloud_is_not_asked_for_a_quota(google: type[Google]) -> None:
    """It has none, and says so without a request."""
    config = local_stack_config("http://127.0.0.1:9")
    found = doctor.quota(Patient(Stack("local", Path("Pulumi.local.yaml"), config), from_config(config, "local")))
    assert (found.ok, found.detail, google.asked) == (True, "a local cloud has none", [])


def test_leftovers_ask_google_by_documented_requests(google: type[Google], stack: Stack) -> None:
    """A list of each kind, of the project and, for Vertex AI, keys and routers, of the region."""
    long = "a-stack-with-quite-a-long-name"
    for name in ("dev", long):
        (stack.path.parent / f"Pulumi.{name}.yaml").write_text(json.dumps({"config": GOOGLE}))
    google.answers["storage.buckets.list"] = {
        "items": [
            {"name": "ours", "labels": {"app": NAMESPACE, "stack": "dev"}},
            {"name": "old", "labels": {"app": NAMESPACE, "stack": "gone"}},
            {"name": "foreign", "labels": {"app": "other"}},
            {"name": "bare"},
        ]
    }
    google.answers["iam.projects.serviceAccounts.list"] = {
        "accounts": [
            {"email": "prediction-gone@my-project.iam.gserviceaccount.com", "displayName": "Predictions of stack gone"},
            {"email": "prediction-dev@my-project.iam.gserviceaccount.com", "displayName": "Predictions of stack dev"},
            {"email": "prediction-x@my-project.iam.gserviceaccount.com"},
            {
                "email": f"{Names('my-project', long).prediction_account}@my-project.iam.gserviceaccount.com",
                "displayName": f"Predictions of stack {long}",
            },
        ]
    }
    google.answers["iam.projects.locations.workloadIdentityPools.list"] = {
        "workloadIdentityPools": [
            {"name": "projects/1/locations/global/workloadIdentityPools/github-gone-1", "description": POOL + "gone"},
            {"name": "projects/1/locations/global/workloadIdentityPools/github-dev-1", "description": POOL + "dev"},
            {"name": "projects/1/locations/global/workloadIdentityPools/github-gone-2", "description": "another's"},
        ]
    }
    names = ["default", "batch-prediction-dev", "batch-prediction-gone", Names("my-project", long).network]
    for kind in ("networks", "routers"):
        google.answers[f"compute.{kind}.list"] = {"items": [{"name": name} for name in names]}
    found = leftovers.find(read_stack("dev"))
    assert [each.type for each in found] == ["bucket", "service account", "identity pool", "network", "router"]
    assert {each.stack for each in found} == {"gone"}
    assert sorted(google.asked) == [
        "aiplatform.projects.locations.endpoints.list",
        "aiplatform.projects.locations.models.list",
        "artifactregistry.projects.locations.repositories.list",
        "cloudkms.projects.locations.keyRings.list",
        "compute.networks.list",
        "compute.routers.list",
        "iam.projects.locations.workloadIdentityPools.list",
        "iam.projects.serviceAccounts.list",
        "notebooks.projects.locations.instances.list",
        "storage.buckets.list",
    ]


def test_an_api_that_is_off_leaves_nothing_over(google: type[Google], stack: Stack) -> None:
    """A stack without notebook and key enables neither API; what may not be looked at is a refusal all the same."""
    (stack.path.parent / "Pulumi.dev.yaml").write_text(json.dumps({"config": GOOGLE}))
    off = {"message": "Notebooks API has not been used in project 1 before or it is disabled."}
    google.answers["notebooks.projects.locations.instances.list"] = {"status": 403, "error": off}
    assert leftovers.find(read_stack("dev")) == []
    google.answers["cloudkms.projects.locations.keyRings.list"] = {"status": 403, "error": {"message": "denied"}}
    with pytest.raises(PredictionApiError, match="refuses keyRings"):
        leftovers.find(read_stack("dev"))


def test_permissions_follow_the_settings(google: type[Google]) -> None:
    """What only a network, a key, a workflow or Dataflow needs is asked for where the stack has them."""
    named = {"privateNetwork": True, "kmsKey": "new", "githubRepository": "me/it", "dataflow": True}
    config = {**GOOGLE, **{f"{NAMESPACE}:{name}": value for name, value in named.items()}}
    google.answers["cloudresourcemanager.projects.testIamPermissions"] = {"permissions": []}
    lacking = doctor.permissions(Patient(Stack("dev", Path("Pulumi.dev.yaml"), config), from_config(config))).detail
    groups = (doctor.FOR_NETWORK, doctor.FOR_KEY, doctor.FOR_GITHUB, doctor.FOR_DATAFLOW)
    assert [name for group in groups for name in group if name not in lacking] == []
    plain = doctor.permissions(PATIENT).detail
    assert "compute.networks.create" not in plain
    assert "cloudkms" not in plain


def test_a_state_bucket_is_made_once_and_named_in_the_stack(google: type[Google], stack: Stack) -> None:
    """The request is documented; a bucket that is there is taken if it can be read."""
    (stack.path.parent / "Pulumi.dev.yaml").write_text(json.dumps({"config": GOOGLE}))
    assert choose_bucket(read_stack("dev")) == ("gs://my-project-pulumi-state", True)
    google.answers["storage.buckets.insert"] = {"status": 409, "error": {"message": "taken"}}
    assert choose_bucket(read_stack("dev"), "other-state") == ("gs://other-state", False)
    assert read_stack("dev").setting("stateBackend") == "gs://other-state"
    google.answers["storage.buckets.get"] = {"status": 403, "error": {"message": "not yours"}}
    with pytest.raises(PredictionApiError, match="Cloud Storage refuses taken-state"):
        choose_bucket(read_stack("dev"), "taken-state")
    with pytest.raises(StackError, match="--bucket is 'No'; wanted: a bucket name"):
        choose_bucket(read_stack("dev"), "No")
    assert read_stack("dev").setting("stateBackend") == "gs://other-state"


def test_a_state_bucket_is_private_and_versioned(stack: Stack, local_cloud: LocalCloud) -> None:
    """On the local cloud: what was asked for is what stands; a local stack itself needs none."""
    name = unique("state")
    assert make_bucket(stack, name)
    assert not make_bucket(stack, name)
    made = storage_client(outputs(local_cloud)).get_bucket(name)
    assert made.versioning_enabled
    assert made.iam_configuration.public_access_prevention == "enforced"
    assert made.iam_configuration.uniform_bucket_level_access_enabled
    with pytest.raises(StackError, match="is local: its state is under"):
        choose_bucket(stack)


def test_what_a_stack_forgot_is_left_over(stack: Stack, local_cloud: LocalCloud) -> None:
    """On the local cloud: a bucket with the project's labels, of a stack that has no such thing in its state."""
    client = storage_client(outputs(local_cloud))
    made = client.bucket(unique("left"))
    made.labels = {"app": NAMESPACE, "stack": "local"}
    client.create_bucket(made, location="us-central1")
    assert made.name in {each.name for each in leftovers.find(stack)}
    made.delete()
    assert made.name not in {each.name for each in leftovers.find(stack)}


def test_a_network_and_a_pool_of_a_stack_that_is_gone_are_left_over(stack: Stack, local_cloud: LocalCloud) -> None:
    """On the local cloud: they carry no labels, and are found by their names."""
    project = stack.config["gcp:project"]
    network = unique("batch-prediction")
    networks = f"{local_cloud.url}/compute/compute/v1/projects/{project}/global/networks"
    assert requests.post(networks, json={"name": network, "autoCreateSubnetworks": False}, timeout=30).ok
    pool, body = unique("github-left"), {"description": POOL + "gone"}
    pools = f"{local_cloud.url}/iam/v1/projects/{project}/locations/global/workloadIdentityPools"
    assert requests.post(f"{pools}?workloadIdentityPoolId={pool}", json=body, timeout=30).ok
    found = {(each.type, each.name.rpartition("/")[2], each.stack) for each in leftovers.find(stack)}
    assert {("network", network, network.removeprefix(leftovers.NETWORK)), ("identity pool", pool, "gone")} <= found
    for address in (f"{networks}/{network}", f"{pools}/{pool}"):
        assert requests.delete(address, timeout=30).ok


def test_a_key_that_outlived_its_stack_is_left_over_until_it_is_ended(stack: Stack, local_cloud: LocalCloud) -> None:
    """On the local cloud: found while its version encrypts, and no more once that is to be destroyed."""
    url = f"{local_cloud.url}/cloudkms/v1"
    rings = f"{url}/projects/{stack.config['gcp:project']}/locations/us-central1/keyRings"
    ring = requests.post(f"{rings}?keyRingId={unique('left')}", json={}, timeout=30).json()["name"]
    body: Any = {"purpose": "ENCRYPT_DECRYPT", "labels": {"app": NAMESPACE, "stack": "gone"}}
    key = requests.post(f"{url}/{ring}/cryptoKeys?cryptoKeyId=data", json=body, timeout=30).json()
    assert ("key", key["name"], "gone") in {(each.type, each.name, each.stack) for each in leftovers.find(stack)}
    assert requests.post(f"{url}/{key['primary']['name']}:destroy", json={}, timeout=30).ok
    assert key["name"] not in {each.name for each in leftovers.find(stack)}


def test_the_task_exits_1_where_something_is_not_right(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People read a line for each thing, programs one object; the exit code is the same."""
    from invoke import Context

    monkeypatch.setattr(check_tasks, "examine", lambda _name: iter([Finding("a", True, "well"), BAD]))
    with pytest.raises(Exit) as caught:
        check_tasks.doctor(Context(), stack=stack.name)
    assert caught.value.code == 1
    assert capsys.readouterr().out == "ok     a: well\nnot ok b: ill. Run: this\n"
    with pytest.raises(Exit):
        check_tasks.doctor(Context(), stack=stack.name, json=True)
    assert json.loads(capsys.readouterr().out)["ok"] is False
    check_tasks.doctor(Context(), stack=stack.name, leftovers=True)
    assert "no stack of this clone knows" in capsys.readouterr().out


BAD = Finding("b", False, "ill", "Run: this")


def test_every_api_is_where_the_provider_has_it(stack: Stack) -> None:
    """The addresses of the local stack's settings and Google's own fit the documents' paths."""
    for api in APIS:
        assert connection_to(stack, api).endpoint.startswith(stack.local_url)
        google_endpoint = connection_to(PATIENT.stack, api).endpoint
        assert google_endpoint.startswith("https://")
        path = f"{api}/v1/" if api in {"compute", "storage"} else ""
        assert google_endpoint.endswith(f".googleapis.com/{path}")
