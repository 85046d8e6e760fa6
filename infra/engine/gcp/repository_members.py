"""gcp.artifactregistry.RepositoryIamMember: who may read or write a repository; members.py with a longer address."""

import re
from functools import partial

from infra.engine.gcp import members, settling, validation
from infra.engine.gcp.rest import Cloud
from infra.engine.gcp.schema import COMPUTED, LOCAL, NEW, OUTPUT, PROJECT, REQUIRED, Json, ResourceType, block, string
from infra.engine.providers import UNKNOWN, Properties

REPOSITORY = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/repositories/(?P<repository>[^/]+)")


def _policy_url(cloud: Cloud, address: str, verb: str) -> str:
    return f"{cloud.base('artifactRegistry')}{address}:{verb}"


def _get(cloud: Cloud, address: str) -> Json:
    return cloud.call("GET", _policy_url(cloud, address, "getIamPolicy"))


def _put(cloud: Cloud, address: str, policy: Json) -> Json:
    return cloud.call("POST", _policy_url(cloud, address, "setIamPolicy"), {"policy": policy})


HOLDER = members.Holder("repository", lambda name: name, _get, _put)


def _addressed(cloud: Cloud, state: Properties) -> Properties:
    """Return the properties with the repository's full name, and the places that it says."""
    found = REPOSITORY.fullmatch(state["repository"])
    named = {key: value for key, value in state.items() if value not in (None, UNKNOWN)}
    defaults = {key: cloud.settings.get(setting) for key, setting in (("project", "project"), ("location", "region"))}
    place = {**defaults, **named, **(found.groupdict() if found else {})}
    return place | {"repository": "projects/{project}/locations/{location}/repositories/{repository}".format(**place)}


def _placed(state: Properties, body: Json) -> Json:
    return {**body, "project": state["project"], "location": state["location"], "repository": state["repository"]}


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Add the member."""
    state = _addressed(cloud, wanted)
    identity, body = members.create(HOLDER, cloud, state)
    return identity, _placed(state, body)


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Look the member up in the policy."""
    state = _addressed(cloud, known)
    body = members.read(HOLDER, cloud, identity, state)
    return None if body is None else _placed(state, body)


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Remove the member."""
    members.delete(HOLDER, cloud, identity, _addressed(cloud, state))


REPOSITORY_MEMBER = ResourceType(
    title="Repository IAM member",
    properties={
        "project": PROJECT,
        "location": string(COMPUTED, NEW, LOCAL),
        "repository": string(REQUIRED, NEW, LOCAL, settle=settling.last_segment),
        "role": string(REQUIRED, NEW),
        "member": string(REQUIRED, NEW, settle=settling.principal, wrong=validation.member),
        "condition": block(members.CONDITION, NEW),
        "etag": string(OUTPUT),
    },
    create=create,
    read=read,
    update=members.update,
    delete=delete,
    identify=partial(members.identify, HOLDER),
    name=lambda state: f"{state.get('role')} {state.get('member')}",
)
