"""Who calls, by the bearer token: in strict mode the local cloud's tokens are the callers' names.

`local` is the projects' owner; `robot@p.iam.gserviceaccount.com` and `serviceAccount:robot@…` are that account,
`user:ann@example.com` that person. A token in three parts is a signed one (JWT): its issuer calls, and its claim
`groups`, if any, names the groups that he is in; no signature is checked, for nobody has Google's keys here.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PUBLIC = frozenset({"allUsers", "allAuthenticatedUsers"})  # members of everybody
OWNER_TOKEN = "local"  # noqa: S105 - what every local client sends: no secret
MEMBER = re.compile(r"(?:user|serviceAccount|group|principal|principalSet):\S+@?\S+")
EMAIL = re.compile(r"[^@\s:]+@[^@\s]+")


@dataclass(frozen=True)
class Caller:
    """A caller: the member that policies name, empty for an anonymous one; the owner may do everything."""

    member: str = ""
    owner: bool = False
    groups: frozenset[str] = frozenset()

    @property
    def members(self) -> frozenset[str]:
        """What policies may call the caller: itself, its domain, its groups, everybody who has an account."""
        if not self.member:
            return frozenset({"allUsers"})
        kind, _, address = self.member.partition(":")
        domain = {f"domain:{address.rpartition('@')[2]}"} if kind == "user" else set()
        return PUBLIC | {self.member} | domain | self.groups

    @property
    def shown(self) -> str:
        """The caller as refusals name it."""
        return self.member.partition(":")[2] or "Anonymous caller"


ANONYMOUS, OWNER = Caller(), Caller("user:owner@local", owner=True)


def caller_of(headers: Mapping[str, str], owner_token: str = "") -> Caller | None:
    """Return who calls, or None where the token names nobody."""
    given = headers.get("authorization", "")
    if not given:
        return ANONYMOUS
    kind, _, token = given.partition(" ")
    if kind.lower() != "bearer":
        return None
    if token == (owner_token or OWNER_TOKEN):
        return OWNER
    claims = _claims(token) if token.count(".") == 2 and "@" not in token else {}
    member = str(claims.get("email") or claims.get("iss") or "") if claims else token
    named = claims.get("groups")
    groups = frozenset(f"group:{one}" for one in named) if isinstance(named, list) else frozenset()
    if MEMBER.fullmatch(member):
        return Caller(member, groups=groups)
    if EMAIL.fullmatch(member):
        account = member.endswith(".gserviceaccount.com")
        return Caller(f"{'serviceAccount' if account else 'user'}:{member}", groups=groups)
    return None


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
