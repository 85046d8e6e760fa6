"""Entries of access lists: whom an entity means, which role it has, and how an answer tells it.

A list is kept as a mapping from entity to role, in the order in which the entries came.
"""

import re
from collections.abc import Mapping

from infra.emulator.callers import PUBLIC
from infra.emulator.calls import PROJECT_NUMBER
from infra.emulator.errors import invalid
from infra.emulator.resources import Json

Entries = dict[str, str]  # entity -> role

ENTITY = re.compile(r"allUsers|allAuthenticatedUsers|(user|group|domain)-(\S+)|project-(owners|editors|viewers)-(\S+)")
TEAMS = {"owners": "projectOwner", "editors": "projectEditor", "viewers": "projectViewer"}
OWNERS = f"project-owners-{PROJECT_NUMBER}"
RANKS = ("READER", "WRITER", "OWNER")  # each may do what those before it may
ACCOUNT = ".gserviceaccount.com"


def entity_of(text: str) -> str:
    """Return an entity as it is kept: addresses in lower case, a project by its number. Raises ApiError 400."""
    found = ENTITY.fullmatch(text)
    if not found:
        raise invalid(f'Scope text "{text}" is not valid.', reason="invalid")
    if found[3]:
        return f"project-{found[3]}-{PROJECT_NUMBER}"
    return text.lower() if found[1] else text


def member_of(entity: str) -> str:
    """Return the member of IAM policies that an entity is: `user-ann@example.com` is `user:ann@example.com`."""
    if entity in PUBLIC:
        return entity
    kind, _, name = entity.partition("-")
    if kind == "project":
        team, _, number = name.partition("-")
        return f"{TEAMS[team]}:{number}"
    return f"{'serviceAccount' if kind == 'user' and name.endswith(ACCOUNT) else kind}:{name}"


def entity_of_member(member: str) -> str:
    """Return the entity that a member of a policy is, empty where lists cannot name it."""
    kind, _, name = member.partition(":")
    for team, project_kind in TEAMS.items():
        if kind == project_kind:
            return f"project-{team}-{PROJECT_NUMBER}"
    entity = member if member in PUBLIC else f"{'user' if kind == 'serviceAccount' else kind}-{name}"
    return entity_of(entity) if ENTITY.fullmatch(entity) else ""


def stronger(entries: Mapping[str, str], entity: str, role: str) -> str:
    """Return the stronger of a role and the one that an entity has already."""
    return max(role, entries.get(entity, role), key=RANKS.index)


def described(entity: str, role: str) -> Json:
    """Return the fields of an entry that follow from whom it means."""
    kind, _, name = entity.partition("-")
    about: Json = {"entity": entity, "role": role}
    if kind == "project":
        team, _, number = name.partition("-")
        return {**about, "projectTeam": {"projectNumber": number, "team": team}}
    if kind == "domain":
        return {**about, "domain": name}
    return {**about, "email": name} if "@" in name else about
