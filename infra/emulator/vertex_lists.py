"""Resources of a collection -> one page of a list answer: filter, order, read mask, page token."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any

import orjson

from infra.emulator.calls import Call
from infra.emulator.discovery import document
from infra.emulator.errors import invalid
from infra.emulator.filters import Read, matcher
from infra.emulator.resources import Json
from infra.emulator.spelling import camel_case
from infra.emulator.vertex_rules import mask_paths, masked

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
Order = list[tuple[str, bool]]  # (field, whether descending)


@dataclass(frozen=True)
class Listing:
    """How a collection is listed: its field in the answer, what can be filtered and ordered by, its creation time."""

    key: str
    filters: Mapping[str, Read] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)
    created: str = "createTime"


def list_page(call: Call, listing: Listing, bodies: Iterable[Json]) -> Json:
    """Answer a list call; without `orderBy` the newest comes first, and an empty list is an empty object."""
    matches = matcher(call.parameter("filter"), listing.filters)
    order = [*_order(call.parameter("orderBy"), listing), (listing.created, True), ("name", True)]
    key: Callable[[Json], Any] = cmp_to_key(lambda one, other: _compare(one, other, order))
    found = sorted(filter(matches, bodies), key=key)
    token = call.parameter("pageToken")
    if token:
        last = _read_token(token)
        found = [body for body in found if _compare(body, last, order) > 0]
    size = _page_size(call)
    fields = _read_mask(call, listing.key)
    answer: Json = {listing.key: [masked(body, fields) for body in found[:size]]} if found else {}
    if len(found) > size:
        answer["nextPageToken"] = _token({name: found[size - 1].get(name) for name, _ in order})
    return answer


def _read_mask(call: Call, key: str) -> list[str]:
    """Return the fields of each resource that are wanted; raises ApiError 400 for one that none has."""
    paths = mask_paths(call.parameter("readMask"))
    if not paths:
        return paths
    schemas = document(call.api, call.version).schemas
    page = schemas[f"GoogleCloudAiplatform{call.version.capitalize()}List{key[0].upper()}{key[1:]}Response"]
    known = schemas[page["properties"][key]["items"]["$ref"]]["properties"]
    for path in paths:
        if path != "*" and path.partition(".")[0] not in known:
            raise invalid(f"Invalid read_mask {call.parameter('readMask')!r}: unknown field {path!r}.")
    return paths


def _order(text: str, listing: Listing) -> Order:
    order = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        if camel_case(name) not in listing.orders or direction.strip() not in {"", "asc", "desc"}:
            raise invalid(f"Invalid order_by {text!r}. Supported fields: {', '.join(listing.orders) or 'none'}.")
        order.append((listing.orders[camel_case(name)], direction.strip() == "desc"))
    return order


def _compare(one: Json, other: Json, order: Order) -> int:
    for name, descending in order:
        have, want = str(one.get(name) or ""), str(other.get(name) or "")
        if have != want:
            return 1 if (have > want) != descending else -1
    return 0


def _page_size(call: Call) -> int:
    size = int(call.parameter("pageSize") or 0)
    if size < 0:
        raise invalid(f"page_size is {size}, it must not be negative.")
    return min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def _token(last: Json) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last)).decode().rstrip("=")


def _read_token(token: str) -> Json:
    try:
        last = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise invalid(f"Invalid page_token {token!r}.") from error
    if not isinstance(last, dict):
        raise invalid(f"Invalid page_token {token!r}.")
    return last
