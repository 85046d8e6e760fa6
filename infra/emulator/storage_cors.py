"""Cross-origin requests for objects: pages of other origins come in as far as a bucket's own `cors` rules let them.

Only on the paths where objects' bytes go in and out; everything else of the local cloud stays closed to other origins.
Source: https://cloud.google.com/storage/docs/cross-origin
"""

import re
from collections.abc import Mapping

from starlette.types import Message, Scope, Send

from infra.emulator.calls import Cloud
from infra.emulator.methods import COPY, asked_of, meaning
from infra.emulator.objects import find_bucket
from infra.emulator.resources import Json

SEPARATOR = ", "


def allowed(cloud: Cloud, scope: Scope, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by which a bucket's rule allows a page's request, none where no rule does.

    A copy reads another bucket too, of which the rule says nothing.
    """
    preflight = scope["method"] == "OPTIONS"
    verb = headers.get("access-control-request-method", "") if preflight else scope["method"]
    origin = headers["origin"]
    meant = meaning(asked_of(scope, headers, verb))
    rule = _rule(find_bucket(cloud, meant.path["bucket"]), origin, verb) if meant.content else None
    if rule is None or COPY in headers.get("access-control-request-headers", "").lower():
        return {}
    exposed = SEPARATOR.join(rule.get("responseHeader") or [])
    answer = {"access-control-allow-origin": "*" if "*" in rule["origin"] else origin, "vary": "Origin"}
    if not preflight:
        return answer | ({"access-control-expose-headers": exposed} if exposed else {})
    return {
        **answer,
        "access-control-allow-methods": SEPARATOR.join(rule["method"]),
        **({"access-control-allow-headers": exposed} if exposed else {}),
        "access-control-max-age": str(rule.get("maxAgeSeconds", 3600)),
    }


def _rule(bucket: Json | None, origin: str, verb: str) -> Json | None:
    """Return the first of a bucket's rules that matches origin and method."""
    rules: list[Json] = (bucket or {}).get("cors") or []
    wanted = {"origin": {"*", origin}, "method": {"*", verb}}
    return next((rule for rule in rules if all(wanted[name] & set(rule.get(name) or ()) for name in wanted)), None)


def telling(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a sender that adds headers to what it sends."""
    added = [(name.encode(), re.sub(r"[^ -~]", "", text).encode()) for name, text in headers.items()]

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return tell
