"""compute: networks, subnetworks, routers and firewall rules, inserted, read, listed, patched and deleted."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.emulator import generic
from infra.emulator.calls import Call, handles
from infra.emulator.compute_operations import base, done, place
from infra.emulator.errors import ApiError, already_exists, invalid, not_found

Json = dict[str, Any]

NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Kind:
    """One kind of resource: `fill` checks what was sent and adds what the service adds, on insert and on patch."""

    singular: str
    plural: str
    fill: Callable[[Call, Json], Json]
    fixed: frozenset[str] = frozenset()  # fields that a patch cannot change
    fingerprint: bool = False  # a patch must carry the present one

    @property
    def stored(self) -> str:
        """The kind under which bodies are stored."""
        return f"compute.{self.plural}"


Users = Callable[[Call, str], str]  # (call, full name) -> the full name of what uses it, or ""
USERS: dict[str, list[Users]] = {}


def uses(singular: str) -> Callable[[Users], Users]:
    """Register a function that finds what stands in the way of a kind's deletion."""

    def register(users: Users) -> Users:
        USERS.setdefault(singular, []).append(users)
        return users

    return register


def serve(kind: Kind) -> None:
    """Register the methods of a kind."""
    methods = {"insert": _insert, "get": _get, "list": _list, "patch": _patch, "delete": _delete}
    if kind.singular in ("router", "firewall"):
        methods["update"] = _update
    for verb, method in methods.items():
        handles(f"compute.{kind.plural}.{verb}")(_bound(method, kind))


def _bound(method: Callable[[Call, Kind], Json], kind: Kind) -> Callable[[Call], Json]:
    return lambda call: method(call, kind)


def _insert(call: Call, kind: Kind) -> Json:
    name = str(call.body.get("name", ""))
    if not NAME.fullmatch(name):
        what = f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '{NAME.pattern}'"
        raise invalid(what, reason="invalid")
    path = f"{place(call)}/{kind.plural}/{name}"
    body = {
        "kind": f"compute#{kind.singular}",
        "id": str(secrets.randbelow(9 * 10**18) + 10**18),
        "creationTimestamp": call.cloud.now(),
        "selfLink": f"{base(call)}/{path}",
        **({"region": f"{base(call)}/{place(call)}"} if call.path.get("region") else {}),
    }
    with call.resources.transaction():
        made = kind.fill(call, {key: value for key, value in call.body.items() if key != "params"} | body)
        if not call.resources.insert(kind.stored, path, _sealed(kind, made)):
            raise already_exists(f"The resource '{path}' already exists", reason="alreadyExists")
        return done(call, "insert", path, body["id"])


def _get(call: Call, kind: Kind) -> Json:
    return found(call, kind, _path(call, kind))


def _list(call: Call, kind: Kind) -> Json:
    bodies = [body for _, body in call.resources.list(kind.stored, f"{place(call)}/{kind.plural}/")]
    taken = generic.filtered(bodies, call.parameter("filter"), "name", "network", "description")
    paged = generic.page(call, taken, "items", default=500, largest=500)
    path = f"{place(call)}/{kind.plural}"
    head = {"kind": f"compute#{kind.singular}List", "id": path, "selfLink": f"{base(call)}/{path}"}
    return {**head, **paged}


def _patch(call: Call, kind: Kind) -> Json:
    """Merge what was sent into what stands: a field that is null goes."""
    return change(call, kind, "patch", {**call.body})


def _update(call: Call, kind: Kind) -> Json:
    """Replace all that can change by what was sent."""
    stands = found(call, kind, _path(call, kind))
    kept = {*kind.fixed, "kind", "id", "name", "creationTimestamp", "selfLink", "region"}
    return change(call, kind, "update", {key: None for key in stands if key not in kept} | call.body)


def change(call: Call, kind: Kind, verb: str, changes: Json) -> Json:
    """Bring changes into a resource, check the whole again, and answer the operation."""
    path = _path(call, kind)
    with call.resources.transaction():
        stands = found(call, kind, path)
        given = changes.pop("fingerprint", None)
        if kind.fingerprint and verb == "patch" and given != stands["fingerprint"]:
            what = "Supplied fingerprint does not match current metadata fingerprint."
            raise ApiError(412, what, reason="conditionNotMet")
        wrong = [key for key in kind.fixed & changes.keys() if not _same(changes[key], stands.get(key))]
        if wrong:
            raise invalid(f"Invalid value for field 'resource.{wrong[0]}': it cannot be changed.", reason="invalid")
        changed = {key: value for key, value in {**stands, **changes}.items() if value is not None}
        kept = {key: stands[key] for key in ("kind", "id", "name", "creationTimestamp", "selfLink")}
        call.resources.put(kind.stored, path, _sealed(kind, kind.fill(call, {**changed, **kept})))
        return done(call, verb, path, stands["id"])


def _delete(call: Call, kind: Kind) -> Json:
    path = _path(call, kind)
    with call.resources.transaction():
        body = found(call, kind, path)
        for users in USERS.get(kind.singular, ()):
            if user := users(call, path):
                what = f"The {kind.singular} resource '{path}' is already being used by '{user}'"
                raise ApiError(400, what, reason="resourceInUseByAnotherResource")
        call.resources.delete(kind.stored, path)
        return done(call, "delete", path, body["id"])


def found(call: Call, kind: Kind, path: str) -> Json:
    """Return a resource by `projects/P/global/networks/N`; raises 404."""
    body = call.resources.get(kind.stored, path)
    if body is None:
        raise not_found(f"The resource '{path}' was not found", reason="notFound")
    return body


def _path(call: Call, kind: Kind) -> str:
    return f"{place(call)}/{kind.plural}/{call.path[kind.singular]}"


def _sealed(kind: Kind, body: Json) -> Json:
    if not kind.fingerprint:
        return body
    rest = {key: value for key, value in body.items() if key != "fingerprint"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).digest()[:9]
    return {**rest, "fingerprint": base64.b64encode(digest).decode()}


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, links by what they point at."""
    if isinstance(one, str) and isinstance(other, str) and "/" in one + other:
        return one.rpartition("projects/")[2] == other.rpartition("projects/")[2]
    return bool(one == other)
