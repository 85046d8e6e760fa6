"""Who calls, by the bearer token: in strict mode the local cloud's tokens are the callers' names.

`local` is the projects' owner; `robot@p.iam.gserviceaccount.com` and `serviceAccount:robot@…` are that account,
`user:ann@example.com` that person. A token in three parts is a signed one (JWT): its issuer calls, no signature is
checked, for nobody has Google's keys here.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

OWNER_TOKEN = "local"  # noqa: S105 - what every local client sends: no secret
MEMBER = re.compile(r"(?:user|serviceAccount|group|principal|principalSet):\S+@?\S+")
EMAIL = re.compile(r"[^@\s:]+@[^@\s]+")


@dataclass(frozen=True)
class Caller:
    """A caller: the member that policies name, empty for an anonymous one; the owner may do everything."""

    member: str = ""
    owner: bool = False

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
    member = _issuer(token) if token.count(".") == 2 and "@" not in token else token
    if MEMBER.fullmatch(member):
        return Caller(member)
    if EMAIL.fullmatch(member):
        account = member.endswith(".gserviceaccount.com")
        return Caller(f"{'serviceAccount' if account else 'user'}:{member}")
    return None


def _issuer(token: str) -> str:
    payload = token.split(".")[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return ""
    return str(claims.get("email") or claims.get("iss") or "") if isinstance(claims, dict) else ""
