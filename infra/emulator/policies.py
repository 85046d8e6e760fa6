"""IAM policies: who may do what, read and written as a whole under an etag that changes with every write."""

import base64
import hashlib
import re
import secrets
from typing import Any

from infra.emulator.calls import Call
from infra.emulator.errors import aborted, invalid

Json = dict[str, Any]

KIND = "policies"
FIRST_ETAG = "ACAB"  # what Google answers for a policy that nobody has set
MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(?:deleted:)?(?:user|group|serviceAccount):[^\s:]+@\S+|domain:\S+|"
    r"project(?:Owner|Editor|Viewer):\S+|principal(?:Set)?://\S+|principalSet:\S+|principal:\S+",
    re.IGNORECASE,
)
ROLE = re.compile(r"roles/[\w.]+|(?:projects|organizations)/[^/]+/roles/[\w.]+")
CONDITIONS_VERSION = 3
VERSIONS = (0, 1, CONDITIONS_VERSION)
CONCURRENT = (
    "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
    "The request's ETag {given!r} did not match the current policy's ETag {current!r}."
)


def get_policy(call: Call, resource: str, initial: Json) -> Json:
    """Return a resource's policy; `initial` is what it is before it was ever set.

    A reader that does not ask for version 3 sees conditional bindings without their conditions, as Google shows them.
    """
    policy = call.resources.get(KIND, resource) or {**initial, "etag": FIRST_ETAG}
    return policy if _requested_version(call) >= CONDITIONS_VERSION else _without_conditions(policy)


def set_policy(call: Call, resource: str) -> Json:
    """Replace a resource's policy by the body's; raises 409 ABORTED where its etag is not the current one."""
    sent = call.body.get("policy") or {}
    mask = call.body.get("updateMask") or "bindings,etag"
    if sent.get("version", 0) not in VERSIONS:
        raise invalid(f"Invalid policy version {sent['version']}: it is 0, 1 or 3.", field_path="policy.version")
    with call.resources.transaction():
        current = call.resources.get(KIND, resource) or {"etag": FIRST_ETAG}
        if sent.get("etag") and sent["etag"] != current["etag"]:
            raise aborted(CONCURRENT.format(given=sent["etag"], current=current["etag"]))
        policy = _changed(current, sent, [part.strip() for part in mask.split(",")])
        call.resources.put(KIND, resource, policy)
    return policy


def forget_policy(call: Call, resource: str) -> None:
    """Drop the policy of a resource that is deleted."""
    call.resources.delete(KIND, resource)


def _changed(current: Json, sent: Json, mask: list[str]) -> Json:
    bindings = _bindings(sent) if "bindings" in mask else current.get("bindings", [])
    audit = (
        sent.get("auditConfigs") if "auditConfigs" in mask or "audit_configs" in mask else current.get("auditConfigs")
    )
    version = CONDITIONS_VERSION if any("condition" in binding for binding in bindings) else sent.get("version", 1)
    policy = {"version": version or 1, "bindings": bindings, "etag": _new_etag()}
    return {**policy, "auditConfigs": audit} if audit else policy


def _bindings(policy: Json) -> list[Json]:
    """Return the sent bindings, checked and with one entry per role and condition."""
    merged: dict[str, Json] = {}
    for binding in policy.get("bindings") or []:
        _check(binding, policy.get("version", 0))
        condition = binding.get("condition")
        entry = merged.setdefault(f"{binding['role']} {condition}", {"role": binding["role"], "members": []})
        entry["members"] += [one for one in binding.get("members") or [] if one not in entry["members"]]
        if condition:
            entry["condition"] = condition
    return [entry for entry in merged.values() if entry["members"]]


def _check(binding: Json, version: int) -> None:
    role = binding.get("role", "")
    if not ROLE.fullmatch(role):
        raise invalid(f"Role ({role}) does not exist in the resource's hierarchy.", field_path="policy.bindings.role")
    for member in binding.get("members") or []:
        if not MEMBER.fullmatch(member):
            what = f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
            raise invalid(what, field_path="policy.bindings.members")
    if binding.get("condition") and version != CONDITIONS_VERSION:
        raise invalid(
            f"Policies with conditional bindings must specify version 3, not {version}.", field_path="policy.version"
        )


def _requested_version(call: Call) -> int:
    options = (call.body.get("options") or {}).get("requestedPolicyVersion")
    version = int(options or call.parameter("options.requestedPolicyVersion") or 1)
    if version not in VERSIONS:
        raise invalid(f"Invalid requested policy version {version}: it is 0, 1 or 3.", field_path="options")
    return version


def _without_conditions(policy: Json) -> Json:
    """Write conditional bindings as readers of version 1 see them: a role name that says that something is missing."""
    bindings = policy.get("bindings")
    if not any("condition" in binding for binding in bindings or []):
        return policy
    return {**policy, "version": 1, "bindings": [_unconditional(binding) for binding in bindings or []]}


def _unconditional(binding: Json) -> Json:
    if "condition" not in binding:
        return binding
    digest = hashlib.sha256(repr(sorted(binding["condition"].items())).encode()).hexdigest()[:20]
    return {"role": f"{binding['role']}_withcond_{digest}", "members": binding["members"]}


def _new_etag() -> str:
    return base64.b64encode(secrets.token_bytes(9)).decode()
