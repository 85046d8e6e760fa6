"""iam: workload identity pools and their providers. What is deleted stays for 30 days and keeps its name taken."""

import re
from datetime import datetime, timedelta
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.errors import failed_precondition, invalid, not_found
from infra.emulator.operations import finished
from infra.emulator.permissions import test_permissions
from infra.emulator.policies import get_policy, set_policy

Json = dict[str, Any]

POOLS, PROVIDERS = "iam.workloadIdentityPools", "iam.workloadIdentityPoolProviders"
METHODS = "iam.projects.locations.workloadIdentityPools"
BOTH = (METHODS, f"{METHODS}.providers")
ID = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")
KINDS_OF_PROVIDER = ("aws", "oidc", "saml", "x509")
KEPT = timedelta(days=30)
UNSET_POLICY: Json = {"version": 1}
POOL_FIELDS = ("displayName", "description", "disabled", "mode", "inlineCertificateIssuanceConfig", "inlineTrustConfig")
PROVIDER_FIELDS = ("displayName", "description", "disabled", "attributeMapping", "attributeCondition")


@handles(*(f"{method}.create" for method in BOTH))
def create(call: Call) -> Json:
    """Create a pool or a provider under the id of the query."""
    kind, plural = _kind(call)
    parameter = f"{plural.removesuffix('s')}Id" if kind == POOLS else "workloadIdentityPoolProviderId"
    identifier = call.parameter(parameter)
    if not ID.fullmatch(identifier):
        what = "4 to 32 of a-z, 0-9 and -, not beginning with gcp-"
        raise invalid(f"Invalid {parameter} {identifier!r}: {what}, are wanted.", field_path=parameter)
    if kind == PROVIDERS:
        _live(call, POOLS, call.path["parent"])
        _check_provider(call.body)
    name = f"{call.path['parent']}/{plural}/{identifier}"
    body = {**_kept(call.body), "name": numbered(name), "state": "ACTIVE"}
    with call.resources.transaction():
        if _expired(call, call.resources.get(kind, name) or {}):
            call.resources.delete(kind, name)
        generic.create(call, kind, name, body, message="Requested entity already exists")
        return _done(call, kind, body, name)


@handles(*(f"{method}.get" for method in BOTH))
def get(call: Call) -> Json:
    """Return a pool or provider, deleted ones too: their state says so."""
    return _found(call, _kind(call)[0], call.path["name"])


@handles(*(f"{method}.list" for method in BOTH))
def list_(call: Call) -> Json:
    """List what is there; what is deleted only with `showDeleted`."""
    kind, plural = _kind(call)
    found = [
        body for _, body in call.resources.list(kind, f"{call.path['parent']}/{plural}/") if not _expired(call, body)
    ]
    shown = [body for body in found if body["state"] == "ACTIVE" or call.parameter("showDeleted") == "true"]
    key = plural if kind == POOLS else "workloadIdentityPoolProviders"
    return generic.page(call, shown, key, default=50, largest=1000)


@handles(*(f"{method}.patch" for method in BOTH))
def patch(call: Call) -> Json:
    """Change what the mask names; a pool's mode is for ever."""
    kind, name = _kind(call)[0], call.path["name"]
    mutable = POOL_FIELDS if kind == POOLS else (*PROVIDER_FIELDS, *KINDS_OF_PROVIDER)
    with call.resources.transaction():
        body = _live(call, kind, name)
        changed = _kept(generic.patched(body, call.body, call.parameter("updateMask"), mutable=mutable))
        if changed.get("mode", "FEDERATION_ONLY") != body.get("mode", "FEDERATION_ONLY"):
            raise invalid("Attempted to update an immutable field.", field_path="mode")
        if kind == PROVIDERS:
            _check_provider(changed)
        call.resources.put(kind, name, changed)
        return _done(call, kind, changed, name)


@handles(*(f"{method}.delete" for method in BOTH))
def delete(call: Call) -> Json:
    """Mark as deleted; for 30 days it can be brought back, and its id is not free."""
    kind, name = _kind(call)[0], call.path["name"]
    with call.resources.transaction():
        end = (datetime.fromisoformat(call.cloud.now()) + KEPT).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {**_live(call, kind, name), "state": "DELETED", "expireTime": end}
        call.resources.put(kind, name, body)
        return _done(call, kind, body, name)


@handles(*(f"{method}.undelete" for method in BOTH))
def undelete(call: Call) -> Json:
    """Bring back what was deleted less than 30 days ago."""
    kind, name = _kind(call)[0], call.path["name"]
    with call.resources.transaction():
        body = _found(call, kind, name)
        if body["state"] != "DELETED":
            raise failed_precondition(f"{name} is {body['state']}: only what is deleted can be undeleted.")
        live = {key: value for key, value in body.items() if key != "expireTime"} | {"state": "ACTIVE"}
        call.resources.put(kind, name, live)
        return _done(call, kind, live, name)


@handles(f"{METHODS}.listAttestationRules")
def list_attestation_rules(call: Call) -> Json:
    """Return the rules of a pool: a pool that only federates has none."""
    _found(call, POOLS, call.path["resource"])
    return {}


@handles(f"{METHODS}.getIamPolicy")
def get_iam_policy(call: Call) -> Json:
    """Return who may use a pool."""
    _live(call, POOLS, call.path["resource"])
    return get_policy(call, call.path["resource"], UNSET_POLICY)


@handles(f"{METHODS}.setIamPolicy")
def set_iam_policy(call: Call) -> Json:
    """Replace who may use a pool."""
    _live(call, POOLS, call.path["resource"])
    return set_policy(call, call.path["resource"])


@handles(f"{METHODS}.testIamPermissions")
def test_iam_permissions(call: Call) -> Json:
    """Return which of the permissions the caller has on a pool."""
    _live(call, POOLS, call.path["resource"])
    return test_permissions(call)


def numbered(name: str) -> str:
    """Return a name with the project's number, as Google answers: members of policies are written with it."""
    return re.sub(r"^projects/[^/]+", f"projects/{PROJECT_NUMBER}", name)


def _kind(call: Call) -> tuple[str, str]:
    return (PROVIDERS, "providers") if ".providers." in call.method else (POOLS, "workloadIdentityPools")


def _found(call: Call, kind: str, name: str) -> Json:
    body = call.resources.get(kind, name)
    if body is None or _expired(call, body):
        raise not_found("Requested entity was not found.")
    return body


def _live(call: Call, kind: str, name: str) -> Json:
    body = _found(call, kind, name)
    if body["state"] != "ACTIVE":
        raise not_found("Requested entity was not found.")
    return body


def _expired(call: Call, body: Json) -> bool:
    return bool(body.get("expireTime", "9") <= call.cloud.now())


def _kept(body: Json) -> Json:
    """Drop what Google leaves out: empty texts and `disabled: false`."""
    return {name: value for name, value in body.items() if value not in ("", False, None)}


def _check_provider(body: Json) -> None:
    """Refuse what no token could be checked by."""
    kinds = [kind for kind in KINDS_OF_PROVIDER if body.get(kind)]
    if len(kinds) != 1:
        raise invalid(f"Exactly one of {', '.join(KINDS_OF_PROVIDER)} must be set.", field_path="provider_config")
    if kinds == ["aws"]:
        return
    mapping = body.get("attributeMapping") or {}
    if not mapping.get("google.subject"):
        what = "The attribute mapping must map google.subject."
        raise invalid(what, field_path="workload_identity_pool_provider.attribute_mapping")
    if kinds == ["oidc"] and not str(body["oidc"].get("issuerUri", "")).startswith("https://"):
        raise invalid("The issuer_uri must be an https address.", field_path="oidc.issuer_uri")
    _check_condition(str(body.get("attributeCondition") or ""), mapping, str((body.get("oidc") or {}).get("issuerUri")))


def _check_condition(condition: str, mapping: Json, issuer: str) -> None:
    """Refuse a condition over attributes that are not mapped, and none for an issuer that all the world shares."""
    for attribute in re.findall(r"\battribute\.(\w+)", condition):
        if f"attribute.{attribute}" not in mapping:
            raise invalid(f"The attribute condition uses attribute.{attribute}, which no mapping makes.")
    if not condition and issuer == "https://token.actions.githubusercontent.com":
        what = "The attribute condition must reference one of the provider's claims."
        raise invalid(what, field_path="workload_identity_pool_provider.attribute_condition")


def _done(call: Call, kind: str, body: Json, name: str) -> Json:
    message = "WorkloadIdentityPool" if kind == POOLS else "WorkloadIdentityPoolProvider"
    metadata = f"google.iam.v1.{message}OperationMetadata"
    return finished(call, metadata, f"google.iam.v1.{message}", body, parent=name)
