"""The rules: what the program declares passes, and each careless change breaks the rule that is made for it."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.policies import Planned, enforce, judge, plan_of
from infra.policy.rules import (
    BUCKET,
    CRYPTO_KEY,
    FIREWALL,
    KEY_SETTING,
    LABELLED,
    MODEL,
    NETWORK_SETTING,
    NOTEBOOK,
    POOL_PROVIDER,
    REGIONS_SETTING,
    RULES,
    UNKNOWN,
    violations,
)
from infra.setting_table import NAMESPACE, OWN_LABELS
from infra.stacks import ROOT, Stack, StackError
from tests.test_infra_program import EVERYTHING, Recorder, run_program

CONFIG = {"gcp:project": "my-project", "gcp:region": "europe-west4"}
KEY = "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k"
LABELS = {"app": NAMESPACE, "stack": "dev"}
GRANT = {"role": "roles/storage.objectViewer", "member": "serviceAccount:a@b.iam.gserviceaccount.com"}
GOOD: dict[str, dict[str, Any]] = {
    BUCKET: {
        "name": "b-b",
        "location": "europe-west4",
        "publicAccessPrevention": "enforced",
        "uniformBucketLevelAccess": True,
        "labels": LABELS,
    },
    NOTEBOOK: {"location": "europe-west4-b", "gceSetup": {"disablePublicIp": True}, "labels": LABELS},
    MODEL: {"location": "europe-west4", "labels": LABELS},
    CRYPTO_KEY: {"keyRing": "r", "rotationPeriod": "7776000s", "labels": LABELS},
    FIREWALL: {"allows": [{"protocol": "tcp"}], "sourceRanges": ["35.235.240.0/20"]},
    POOL_PROVIDER: {"attributeCondition": "assertion.repository == 'me/it'"},
    "gcp:storage/bucketIAMMember:BucketIAMMember": GRANT,
    "gcp:projects/iAMMember:IAMMember": {**GRANT, "role": "roles/aiplatform.user"},
}
POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"
SEALED = {"kmsKey": KEY}

FULL = {**CONFIG, **{f"{NAMESPACE}:{key}": value for key, value in EVERYTHING.items()}}


@pytest.fixture(scope="module")
def program() -> Recorder:
    """The real program with everything on."""
    return run_program(FULL)[0]


def test_the_program_breaks_no_rule(program: Recorder) -> None:
    """What this repository deploys is what its rules ask for."""
    for name, resource in program.resources.items():
        assert violations(resource.typ, resource.inputs, FULL) == [], name
    assert {resource.typ for resource in program.resources.values()} & LABELLED >= {BUCKET, NOTEBOOK, MODEL, CRYPTO_KEY}
    assert {resource.typ for resource in program.resources.values()} >= {FIREWALL, POOL_PROVIDER}


def test_the_rules_and_the_program_mean_the_same_names() -> None:
    """rules.py stands alone: what it repeats of the project is equal to it."""
    from infra.policy import rules

    assert (rules.NAMESPACE, rules.REQUIRED_LABELS) == (NAMESPACE, OWN_LABELS)
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("type_", GOOD)
def test_a_careful_resource_breaks_no_rule(type_: str) -> None:
    """The examples that the next test damages are whole."""
    assert violations(type_, GOOD[type_], CONFIG) == []


@pytest.mark.parametrize(
    ("type_", "change", "rule"),
    [
        (BUCKET, {"publicAccessPrevention": "inherited"}, "no-public-access"),
        (BUCKET, {"publicAccessPrevention": None}, "no-public-access"),
        (BUCKET, {"uniformBucketLevelAccess": False}, "uniform-access"),
        (BUCKET, {"labels": {"app": "x"}}, "labels"),
        (BUCKET, {"labels": None}, "labels"),
        (BUCKET, {"location": "EU"}, "region"),
        (BUCKET, {"location": "us-central1"}, "region"),
        (NOTEBOOK, {"location": "us-central1-a"}, "region"),
        (NOTEBOOK, {"gceSetup": {}}, "no-public-address"),
        (NOTEBOOK, {"gceSetup": None}, "no-public-address"),
        (MODEL, {"location": "us-central1"}, "region"),
        ("gcp:storage/bucketIAMMember:BucketIAMMember", {"member": "allUsers"}, "no-public-access"),
        ("gcp:storage/bucketIAMMember:BucketIAMMember", {"members": ["allAuthenticatedUsers"]}, "no-public-access"),
        ("gcp:projects/iAMMember:IAMMember", {"role": "roles/editor"}, "no-owner-or-editor"),
        ("gcp:projects/iAMMember:IAMMember", {"bindings": [{"role": "roles/owner"}]}, "no-owner-or-editor"),
        ("gcp:projects/iAMMember:IAMMember", {"role": "roles/storage.admin"}, "bound-roles"),
        ("gcp:projects/iAMMember:IAMMember", {"role": "roles/iam.serviceAccountTokenCreator"}, "bound-roles"),
        (CRYPTO_KEY, {"rotationPeriod": None}, "key-rotation"),
        (CRYPTO_KEY, {"labels": {}}, "labels"),
        (FIREWALL, {"sourceRanges": ["10.0.0.0/8", "0.0.0.0/0"]}, "no-open-firewall"),
        (FIREWALL, {"sourceRanges": None}, "no-open-firewall"),
        (POOL_PROVIDER, {"attributeCondition": ""}, "federation"),
        (POOL_PROVIDER, {"attributeCondition": None}, "federation"),
        ("gcp:serviceaccount/iAMMember:IAMMember", {"member": f"{POOL}/*"}, "federation"),
        ("gcp:serviceaccount/key:Key", {"serviceAccountId": "a"}, "no-stored-key"),
    ],
)
def test_each_careless_change_breaks_its_rule(type_: str, change: dict[str, Any], rule: str) -> None:
    """Exactly that rule, in a line that says what is there and what is wanted."""
    (broken,) = violations(type_, {**GOOD.get(type_, {}), **change}, CONFIG)
    assert broken.startswith(f"{rule}: ")
    assert "\n" not in broken


@pytest.mark.parametrize(
    ("type_", "place"),
    [
        (BUCKET, {"encryption": {"defaultKmsKeyName": KEY}}),
        (MODEL, {"encryption_spec": {"kmsKeyName": KEY}}),
        (NOTEBOOK, {"gceSetup": {"disablePublicIp": True, "bootDisk": SEALED, "dataDisks": SEALED}}),
    ],
)
def test_a_stack_with_a_key_wants_it_everywhere(type_: str, place: dict[str, Any]) -> None:
    """Without the setting no key is asked for; with it, it has to be that one."""
    config = {**CONFIG, KEY_SETTING: KEY}
    (lacking,) = violations(type_, GOOD[type_], config)
    assert lacking.startswith("own-key: it is encrypted with a key of Google's")
    assert violations(type_, {**GOOD[type_], **place}, config) == []
    (other,) = violations(type_, {**GOOD[type_], **place}, {**CONFIG, KEY_SETTING: f"{KEY}2"})
    assert other.startswith(f"own-key: it is encrypted with {KEY!r}")


@pytest.mark.parametrize("type_", [BUCKET, MODEL, NOTEBOOK])
def test_a_stack_that_makes_a_key_wants_one_everywhere(type_: str) -> None:
    """Its name is not known before it is made: any key passes, none does not."""
    (lacking,) = violations(type_, GOOD[type_], {**CONFIG, KEY_SETTING: "new"})
    assert lacking.endswith("wanted: the stack's own")


def test_both_disks_of_a_notebook_are_asked_for_the_key() -> None:
    """A boot disk alone is half of the data."""
    half = {**GOOD[NOTEBOOK], "gceSetup": {"disablePublicIp": True, "bootDisk": SEALED}}
    assert len(violations(NOTEBOOK, half, {**CONFIG, KEY_SETTING: KEY})) == 1


@pytest.mark.parametrize("interfaces", [None, [], [{"network": "default"}], [{"subnet": "s"}, {"network": "default"}]])
def test_a_stack_with_a_network_wants_its_notebook_there(interfaces: Any) -> None:
    """Each interface has to be in a named subnetwork; without the setting none is asked for."""
    notebook = {**GOOD[NOTEBOOK], "gceSetup": {"disablePublicIp": True, "networkInterfaces": interfaces}}
    (outside,) = violations(NOTEBOOK, notebook, {**CONFIG, NETWORK_SETTING: "true"})
    assert outside.startswith("private-network: ")
    assert violations(NOTEBOOK, notebook, {**CONFIG, NETWORK_SETTING: "false"}) == []


def test_allowed_regions_widen_the_stacks_own() -> None:
    """A resource may be in any of them, and in no other."""
    config = {**CONFIG, REGIONS_SETTING: '["europe-west4", "europe-west1"]'}
    there, elsewhere = ({**GOOD[BUCKET], "location": place} for place in ("EUROPE-WEST1", "us-east1"))
    assert violations(BUCKET, there, config) == []
    assert violations(BUCKET, there, CONFIG) != []
    (broken,) = violations(BUCKET, elsewhere, config)
    assert broken.endswith("wanted: region 'europe-west4' or 'europe-west1'")


@pytest.mark.parametrize("type_", GOOD)
def test_what_is_not_known_yet_breaks_nothing(type_: str) -> None:
    """A preview does not know every input; the rules wait for `up` there."""
    for key in GOOD[type_]:
        assert violations(type_, {**GOOD[type_], key: UNKNOWN}, {**CONFIG, KEY_SETTING: ""}) == [], key


@given(
    st.sampled_from([*GOOD, "pulumi:pulumi:Stack", "other:index:Thing"]),
    st.dictionaries(
        st.sampled_from(["labels", "location", "gceSetup", "members", "encryption", "role", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just(UNKNOWN),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
    ),
)
def test_inputs_of_any_shape_are_judged(type_: str, change: dict[str, Any]) -> None:
    """No odd input ends a deployment in a traceback."""
    inputs = {**deepcopy(GOOD.get(type_, {})), **change}
    assert all(": " in line for line in violations(type_, inputs, {**CONFIG, KEY_SETTING: KEY}))


def step(op: str, name: str, type_: str = BUCKET, **inputs: Any) -> dict[str, Any]:
    """Return a step of a preview."""
    urn = f"urn:pulumi:dev::p::{type_}::{name}"
    return {"op": op, "urn": urn, "newState": {"urn": urn, "type": type_, "inputs": inputs}}


def test_a_plan_is_what_stands_and_what_changes() -> None:
    """Unchanged resources are judged too, deleted ones are not, providers and the stack itself never."""
    state = [
        {"urn": f"urn:pulumi:dev::p::{type_}::{name}", "type": type_, "inputs": {"v": "old"}}
        for name, type_ in (("kept", BUCKET), ("changed", BUCKET), ("gone", BUCKET), ("gcp", "pulumi:providers:gcp"))
    ]
    gone = {"op": "delete", "urn": state[2]["urn"]}
    plan = plan_of({"steps": [step("update", "changed", v="new"), step("create", "made", v="new"), gone]}, state)
    assert {name: inputs["v"] for name, (_, inputs) in plan.resources.items()} == {
        "kept": "old",
        "changed": "new",
        "made": "new",
    }


def test_a_broken_plan_is_refused_in_one_line() -> None:
    """The line names the first resource, how many more there are, and the command that lists them."""
    stack = Stack("dev", ROOT, CONFIG)
    enforce(stack, Planned({"bucket": (BUCKET, GOOD[BUCKET])}))
    bad = {**GOOD[BUCKET], "location": "us", "uniformBucketLevelAccess": False}
    assert [each.problem.split(":")[0] for each in judge(stack, Planned({"bucket": (BUCKET, bad)}))] == [
        "uniform-access",
        "region",
    ]
    with pytest.raises(StackError, match=r"'bucket' breaks uniform-access: .* \(and 1 more\)\. Run: invoke policy"):
        enforce(stack, Planned({"bucket": (BUCKET, bad)}))


def test_the_page_names_every_rule_as_it_describes_itself() -> None:
    """infra/policy/README.md lists the rules in their order."""
    page = (ROOT / "infra" / "policy" / "README.md").read_text()
    rows = [f"| `{rule.name}` | {rule.description} |" for rule in RULES]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows
