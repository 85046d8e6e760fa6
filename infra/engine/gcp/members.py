"""IAM members of a bucket, a project and a service account: read, modify and write a policy by its etag."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from infra.engine.gcp import settling, validation
from infra.engine.gcp.rest import ApiError, Cloud, escaped
from infra.engine.gcp.schema import LOCAL, NEW, OUTPUT, REQUIRED, Fields, Json, ResourceType, block, string
from infra.engine.providers import Properties, ProviderError

IDENTITY = re.compile(
    r"(?P<holder>.+?)[/ ](?P<role>(?:(?:projects|organizations)/[^/ ]+/)?roles/[^/ ]+)[/ ](?P<rest>.+)"
)
TRIES = 8


@dataclass(frozen=True)
class Holder:
    """What has the policy: how its address is made of the properties, and the calls for the policy."""

    key: str  # the property that names it
    address: Callable[[str], str]  # its value -> the id's first part
    get: Callable[[Cloud, str], Json]
    put: Callable[[Cloud, str, Json], Json]


def _bucket_get(cloud: Cloud, address: str) -> Json:
    return cloud.call("GET", _bucket_url(cloud, address), query={"optionsRequestedPolicyVersion": "3"})


def _bucket_put(cloud: Cloud, address: str, policy: Json) -> Json:
    request: Json = {key: policy[key] for key in ("bindings", "etag", "version") if key in policy}
    return cloud.call("PUT", _bucket_url(cloud, address), request)


def _bucket_url(cloud: Cloud, address: str) -> str:
    return f"{cloud.base('storage')}b/{escaped(address.removeprefix('b/'))}/iam"


def _project_get(cloud: Cloud, address: str) -> Json:
    request = {"options": {"requestedPolicyVersion": 3}}
    return cloud.call("POST", f"{cloud.library('resourceManager', 'v1')}projects/{address}:getIamPolicy", request)


def _project_put(cloud: Cloud, address: str, policy: Json) -> Json:
    request = {"policy": policy, "updateMask": "bindings,etag,auditConfigs"}
    return cloud.call("POST", f"{cloud.library('resourceManager', 'v1')}projects/{address}:setIamPolicy", request)


def _account_get(cloud: Cloud, address: str) -> Json:
    url = f"{cloud.library('iamBeta', 'v1')}{address}:getIamPolicy"
    return cloud.call("POST", url, query={"options.requestedPolicyVersion": "3"})


def _account_put(cloud: Cloud, address: str, policy: Json) -> Json:
    return cloud.call("POST", f"{cloud.library('iamBeta', 'v1')}{address}:setIamPolicy", {"policy": policy})


def _key_get(cloud: Cloud, address: str) -> Json:
    return cloud.call(
        "GET", f"{cloud.base('kms')}{address}:getIamPolicy", query={"options.requestedPolicyVersion": "3"}
    )


def _key_put(cloud: Cloud, address: str, policy: Json) -> Json:
    return cloud.call("POST", f"{cloud.base('kms')}{address}:setIamPolicy", {"policy": policy})


BUCKETS = Holder("bucket", lambda name: f"b/{name.removeprefix('b/')}", _bucket_get, _bucket_put)
PROJECTS = Holder("project", lambda name: name.removeprefix("projects/"), _project_get, _project_put)
KEYS = Holder("cryptoKeyId", lambda name: name, _key_get, _key_put)
ACCOUNTS = Holder("serviceAccountId", lambda name: name, _account_get, _account_put)


def modify(cloud: Cloud, holder: Holder, state: Properties, present: bool) -> Json:
    """Bring a member into a policy or out of it, again when another writer came between; return the policy."""
    address = holder.address(state[holder.key])
    with cloud.policy_lock(address):
        for attempt in range(TRIES):
            policy = holder.get(cloud, address)
            if (_binding(policy, state) is not None) == present:
                return policy
            try:
                return holder.put(cloud, address, _changed(policy, state, present))
            except ApiError as refused:
                if refused.code not in (409, 412) or attempt == TRIES - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
    raise AssertionError("the last try returns or raises")


def _changed(policy: Json, state: Properties, present: bool) -> Json:
    bindings = [dict(binding) for binding in policy.get("bindings", [])]
    same = [binding for binding in bindings if _matches(binding, state)]
    if present and same:
        same[0]["members"] = sorted([*same[0]["members"], state["member"]])
    elif present:
        condition = {"condition": _condition(state.get("condition"))} if state.get("condition") else {}
        bindings.append({"role": state["role"], "members": [state["member"]], **condition})
    else:
        for binding in same:
            binding["members"] = [one for one in binding["members"] if not _equal(one, state["member"])]
    return {**policy, "bindings": [binding for binding in bindings if binding["members"]], "version": 3}


def _binding(policy: Json, state: Properties) -> Json | None:
    """Find the binding that has the member."""
    matching = (binding for binding in policy.get("bindings", []) if _matches(binding, state))
    return next((one for one in matching if any(_equal(name, state["member"]) for name in one["members"])), None)


def _matches(binding: Json, state: Properties) -> bool:
    stands, wanted = _condition(binding.get("condition")), _condition(state.get("condition"))
    if wanted and "expression" not in wanted:  # an import names a condition by its title
        stands = {"title": stands.get("title", "")}
    return bool(binding["role"] == state["role"] and stands == wanted)


def _condition(condition: Mapping[str, str] | None) -> dict[str, str]:
    given = condition or {}
    return {key: given[key] for key in ("title", "description", "expression") if given.get(key)}


def _equal(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def create(holder: Holder, cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Add the member."""
    policy = modify(cloud, holder, wanted, present=True)
    address = holder.address(wanted[holder.key])
    member = wanted["member"] if settling.case_sensitive(wanted["member"]) else _lower(wanted["member"])
    condition = _condition(wanted.get("condition"))
    parts = [address, wanted["role"], member]
    if condition:
        parts.append("/".join(condition.get(key, "") for key in ("title", "description", "expression")))
    return "/".join(parts), _decoded(holder, policy, wanted)


def _lower(member: str) -> str:
    kind, colon, name = member.partition(":")
    return f"{kind}{colon}{name.lower()}"


def _decoded(holder: Holder, policy: Json, state: Properties) -> Json:
    found = _binding(policy, state) or {"members": [state["member"]]}
    member = next(one for one in found["members"] if _equal(one, state["member"]))
    address = holder.address(state[holder.key])
    return {
        holder.key: address if holder is BUCKETS else state[holder.key],
        "role": state["role"],
        "member": member,
        "condition": found.get("condition"),
        "etag": policy.get("etag", ""),
    }


def read(holder: Holder, cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Look the member up in the policy."""
    del identity
    try:
        policy = holder.get(cloud, holder.address(known[holder.key]))
    except ApiError as refused:
        if refused.code == 404:
            return None
        raise
    return _decoded(holder, policy, known) if _binding(policy, known) else None


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Never called: every property of a member replaces it."""
    del cloud, identity, prior, changed
    return wanted


def delete(holder: Holder, cloud: Cloud, identity: str, state: Properties) -> None:
    """Remove the member."""
    del identity
    modify(cloud, holder, state, present=False)


def identify(holder: Holder, identity: str, project: str) -> Properties:
    """Read `HOLDER/ROLE/MEMBER`, or the same with blanks as the import command has it."""
    del project
    found = IDENTITY.fullmatch(identity)
    if not found:
        raise ProviderError(f"No IAM member id: {identity!r}. Write it as: '{holder.key.upper()} ROLE MEMBER'")
    member, condition = found["rest"], {}
    if not settling.case_sensitive(member):  # a workload identity's name has slashes of its own
        member, *title = re.split(r"[/ ]", member, maxsplit=1)
        condition = {"condition": {"title": title[0].split("/")[0]}} if title else {}
    return {holder.key: found["holder"], "role": found["role"], "member": member, **condition}


CONDITION: Fields = {
    "expression": string(REQUIRED, NEW),
    "title": string(REQUIRED, NEW),
    "description": string(NEW),
}


def _member(title: str, holder: Holder, minutes: Mapping[str, int] | None = None) -> ResourceType:
    settle = None if holder in (ACCOUNTS, KEYS) else settling.last_segment
    return ResourceType(
        title=title,
        properties={
            holder.key: string(REQUIRED, NEW, LOCAL, settle=settle),
            "role": string(REQUIRED, NEW),
            "member": string(REQUIRED, NEW, settle=settling.principal, wrong=validation.member),
            "condition": block(CONDITION, NEW),
            "etag": string(OUTPUT),
        },
        create=partial(create, holder),
        read=partial(read, holder),
        update=update,
        delete=partial(delete, holder),
        identify=partial(identify, holder),
        name=lambda state: f"{state.get('role')} {state.get('member')}",
        minutes=minutes or {},
    )


BUCKET_MEMBER = _member("Bucket IAM member", BUCKETS, {"create": 20})
PROJECT_MEMBER = _member("Project IAM member", PROJECTS)
ACCOUNT_MEMBER = _member("Service account IAM member", ACCOUNTS)
KEY_MEMBER = _member("Key IAM member", KEYS)
