"""What a stack declares with its key, its network and its federation on: the real program under Pulumi's mocks."""

import re
from pathlib import Path
from typing import Any

import pytest

from infra.settings import NAMESPACE
from tests.test_infra_program import ACCOUNTS, EVERYTHING, GOOGLE, NUMBER, Recorder, run_program

ROOT = Path(__file__).parent.parent
KEY = "data-key-id"
AGENTS = {
    "storage-uses-key": f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    "vertex-uses-key": f"serviceAccount:service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com",
    "registry-uses-key": f"serviceAccount:service-{NUMBER}@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "notebooks-uses-key": f"serviceAccount:service-{NUMBER}@gcp-sa-notebooks.iam.gserviceaccount.com",
    "compute-uses-key": f"serviceAccount:service-{NUMBER}@compute-system.iam.gserviceaccount.com",
}


def run(**ours: str) -> tuple[Recorder, dict[str, Any]]:
    """Run the program on a Google stack with settings of ours."""
    return run_program({**GOOGLE, **{f"{NAMESPACE}:{key}": value for key, value in ours.items()}})


@pytest.fixture(scope="module")
def full() -> tuple[Recorder, dict[str, Any]]:
    """A stack with everything on."""
    return run(**EVERYTHING)


def test_the_key_is_granted_and_used_everywhere(full: tuple[Recorder, dict[str, Any]]) -> None:
    """One rotating key; four services' agents may use it; bucket, both disks, models, versions and endpoints do."""
    recorder, outputs = full
    (key,) = recorder.of("CryptoKey")
    assert (key["rotationPeriod"], key["labels"]["stack"]) == (f"{90 * 86400}s", "dev")
    granted = {
        name: args.inputs for name, args in recorder.resources.items() if args.typ.endswith("CryptoKeyIAMMember")
    }
    assert {name: inputs["member"] for name, inputs in granted.items()} == AGENTS
    assert {inputs["role"] for inputs in granted.values()} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}
    assert {inputs["cryptoKeyId"] for inputs in granted.values()} == {KEY}
    assert recorder.of("Bucket")[0]["encryption"] == {"defaultKmsKeyName": KEY}
    setup = recorder.of("Instance")[0]["gceSetup"]
    assert setup["bootDisk"] == setup["dataDisks"] == {"diskEncryption": "CMEK", "kmsKey": KEY}
    assert recorder.of("Repository")[0]["kmsKeyName"] == KEY
    assert recorder.of("AiEndpoint")[0]["encryptionSpec"] == {"kmsKeyName": KEY}
    for made in (*recorder.of("Model"), *recorder.of("ModelVersion")):
        assert made["encryption_spec"] == {"kmsKeyName": KEY}
    assert outputs["kmsKey"] == KEY


def test_a_given_key_is_taken_and_granted() -> None:
    """No ring and no key are made; without a notebook three agents are enough."""
    name = "projects/vault/locations/europe-west4/keyRings/r/cryptoKeys/k"
    recorder, outputs = run(kmsKey=name)
    assert recorder.of("KeyRing") == recorder.of("CryptoKey") == []
    assert {each["cryptoKeyId"] for each in recorder.of("CryptoKeyIAMMember")} == {name}
    assert len(recorder.of("CryptoKeyIAMMember")) == 3
    assert recorder.of("Bucket")[0]["encryption"] == {"defaultKmsKeyName": name}
    assert outputs["kmsKey"] == name


def test_the_network_has_no_way_in_but_the_tunnel(full: tuple[Recorder, dict[str, Any]]) -> None:
    """The notebook is in the subnetwork without a public address; what opens is Google's tunnel to port 22."""
    recorder = full[0]
    (network,), (subnetwork,), (rule,) = recorder.of("Network"), recorder.of("Subnetwork"), recorder.of("Firewall")
    assert network["autoCreateSubnetworks"] is False
    assert (subnetwork["privateIpGoogleAccess"], subnetwork["ipCidrRange"]) == (True, "10.10.0.0/24")
    assert "logConfig" in subnetwork
    assert (rule["sourceRanges"], rule["allows"]) == (["35.235.240.0/20"], [{"protocol": "tcp", "ports": ["22"]}])
    setup = recorder.of("Instance")[0]["gceSetup"]
    assert setup["networkInterfaces"] == [{"network": "network-id", "subnet": "subnetwork-id"}]
    assert setup["disablePublicIp"] is True
    assert len(recorder.of("RouterNat")) == 1


def test_the_network_reaches_the_internet_only_where_that_is_set() -> None:
    """Without the setting there is no router and no NAT."""
    recorder, _ = run(privateNetwork="true")
    assert recorder.of("Router") == recorder.of("RouterNat") == []
    assert len(recorder.of("Subnetwork")) == 1


def test_the_notebook_has_an_owner_stops_when_idle_and_starts_shielded(full: tuple[Recorder, dict[str, Any]]) -> None:
    """The owner opens it alone, and may act as its account and no other."""
    recorder = full[0]
    (notebook,) = recorder.of("Instance")
    assert notebook["instanceOwners"] == ["anna@example.com"]
    assert notebook["gceSetup"]["metadata"] == {"idle-timeout-seconds": str(180 * 60)}
    assert set(notebook["gceSetup"]["shieldedInstanceConfig"].values()) == {True}
    grant = recorder.resources["owner-acts-as-notebook"].inputs
    assert (grant["member"], grant["serviceAccountId"]) == ("user:anna@example.com", f"notebook-dev@{ACCOUNTS}")


def test_one_branch_deploys_and_every_branch_previews(full: tuple[Recorder, dict[str, Any]]) -> None:
    """Tokens of another repository are refused; of this one, the branch decides which account they stand for."""
    recorder, outputs = full
    (provider,), (pool,) = recorder.of("WorkloadIdentityPoolProvider"), recorder.of("WorkloadIdentityPool")
    assert provider["attributeCondition"] == "assertion.repository == 'me/it'"
    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}
    assert pool["workloadIdentityPoolId"] == "github-dev-117"
    name = f"projects/{NUMBER}/locations/global/workloadIdentityPools/github-dev-117"
    who = {each: recorder.resources[f"github-is-{each}"].inputs for each in ("deployer", "previewer")}
    assert {each: inputs["member"] for each, inputs in who.items()} == {
        "deployer": f"principalSet://iam.googleapis.com/{name}/attribute.branch/me/it@refs/heads/main",
        "previewer": f"principalSet://iam.googleapis.com/{name}/attribute.repository/me/it",
    }
    assert {inputs["role"] for inputs in who.values()} == {"roles/iam.workloadIdentityUser"}
    mapped = {text.partition("/attribute.")[2].partition("/")[0] for text in (who["deployer"]["member"],)}
    assert {f"attribute.{each}" for each in mapped} <= set(provider["attributeMapping"])
    assert outputs["github"] == {
        "workloadIdentityProvider": f"{name}/providers/github",
        "deployer": f"deployer-dev@{ACCOUNTS}",
        "previewer": f"previewer-dev@{ACCOUNTS}",
    }


def test_the_workflows_accounts_cannot_make_themselves_mightier(full: tuple[Recorder, dict[str, Any]]) -> None:
    """One reads, the other serves models: no role of theirs grants roles, makes accounts or keys, or writes data."""
    held = {name: roles_of(full[0], f"serviceAccount:{name}-dev@{ACCOUNTS}") for name in ("deployer", "previewer")}
    bucket, state = "my-project-batch-prediction", "my-project-pulumi-state"
    assert held["previewer"] == {("project", "roles/browser"), (state, "roles/storage.objectViewer")}
    assert held["deployer"] == {
        ("project", "roles/browser"),
        ("project", "roles/aiplatform.user"),
        (bucket, "roles/storage.legacyBucketReader"),
        (bucket, "roles/storage.objectViewer"),
        (state, "roles/storage.objectUser"),
        (f"prediction-dev@{ACCOUNTS}", "roles/iam.serviceAccountUser"),
    }


def roles_of(recorder: Recorder, member: str) -> set[tuple[str, str]]:
    """Return what an account holds: each role, and on what."""
    granted = [args.inputs for args in recorder.resources.values() if args.inputs.get("member") == member]
    places = ("bucket", "serviceAccountId", "cryptoKeyId", "repository")
    return {(next((each[key] for key in places if key in each), "project"), each["role"]) for each in granted}


def test_every_account_of_the_stack_has_what_the_page_says(full: tuple[Recorder, dict[str, Any]]) -> None:
    """infra/SECURITY.md names each account's roles and what each is bound to; nobody holds more."""
    recorder = full[0]
    page = (ROOT / "infra" / "SECURITY.md").read_text()
    told = set(re.findall(r"^\| (\w+) \| `([\w./]+)` \| ([\w ]+) \|", page, re.MULTILINE))
    places = {
        "project": "project",
        "my-project-batch-prediction": "bucket",
        "my-project-pulumi-state": "bucket of the state",
        f"prediction-dev@{ACCOUNTS}": "prediction account",
        "serving-dev": "repository",
    }
    held = {
        (name, role, places[place])
        for name in ("prediction", "notebook", "build", "deployer", "previewer")
        for place, role in roles_of(recorder, f"serviceAccount:{name}-dev@{ACCOUNTS}")
    }
    assert held == told


def test_all_of_this_is_off_at_first() -> None:
    """A stack that sets none of it declares none of it, and enables no API for it."""
    recorder, outputs = run()
    kinds = {args.typ for args in recorder.resources.values()}
    assert not [kind for kind in kinds if kind.startswith(("gcp:kms", "gcp:compute", "gcp:iam"))]
    assert (outputs["kmsKey"], outputs["github"]) == ("", {})
    assert "encryption" not in recorder.of("Bucket")[0]
