"""Lists of objects: by prefix, folded at a delimiter, a page at a time, never the whole bucket in memory."""

import heapq
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from infra.emulator import storage_catalog as catalog
from infra.emulator.calls import Call, Cloud, handles
from infra.emulator.errors import invalid
from infra.emulator.folder_records import FOLDERS, MANAGED_FOLDERS, below
from infra.emulator.object_access_lists import object_lists
from infra.emulator.objects import require_bucket
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import EVERY_VERSION, PAGE, State, StoredObject
from infra.emulator.storage_conditions import Query, first, flag
from infra.emulator.storage_contexts import Test, context_filter
from infra.emulator.storage_pages import decode_token, encode_token, page_size
from infra.emulator.storage_projections import is_full
from infra.emulator.storage_resource import base_of, object_resource

Place = tuple[bytes, int]  # a name and a generation


@dataclass(frozen=True)
class Listing:
    """What a list asks for."""

    prefix: str
    delimiter: str
    start: Place
    end: bytes | None
    states: tuple[State, ...]
    trailing: bool  # objects whose names end at the delimiter are listed beside their prefix
    pattern: re.Pattern[str] | None
    wanted: Test | None = None  # which objects, but not which prefixes


@dataclass(frozen=True)
class Entry:
    """An object, or a prefix that stands for all objects below it; `at` is where a page that begins with it begins."""

    at: Place
    item: StoredObject | None
    prefix: str = ""


@handles("storage.objects.list")
def list_objects(call: Call) -> Json:
    """List objects by name; equal names by generation."""
    bucket = call.path["bucket"]
    home = require_bucket(call.cloud, bucket)
    _check(call)
    limit, base = page_size(call.query), base_of(call)
    page = list(islice(_entries(call, bucket, listing_of(call.query)), limit + 1))
    found = [entry.item for entry in page[:limit] if entry.item]
    items = [object_resource(one, base, home) for one in found]
    if is_full(call.query):
        items = [{**item, **object_lists(home, one, base)} for item, one in zip(items, found, strict=True)]
    prefixes = list(dict.fromkeys(entry.prefix for entry in page[:limit] if entry.prefix))
    answer: Json = {"kind": "storage#objects"}
    answer |= {"items": items} if items else {}
    answer |= {"prefixes": prefixes} if prefixes else {}
    answer |= {"nextPageToken": encode_token(*page[limit].at)} if len(page) > limit else {}
    return answer


def _entries(call: Call, bucket: str, listing: Listing) -> Iterator[Entry]:
    """Yield objects and prefixes in order, among the prefixes those of folders where a call asks for these too."""
    found = entries(call.cloud, bucket, listing)
    if not flag(call.query, "includeFoldersAsPrefixes"):
        return found
    folders = below(call.cloud, bucket, listing.prefix, (FOLDERS, MANAGED_FOLDERS))
    names = dict.fromkeys(common_prefix(body["name"], listing) for body in folders)
    more = [Entry((name.encode(), 0), None, name) for name in names if _is_inside(name, listing)]
    return _once(heapq.merge(found, more, key=lambda entry: entry.at))


def _is_inside(name: str, listing: Listing) -> bool:
    """Tell whether a folder is asked for and stands on this page or a later one."""
    place = (name.encode(), 0)
    fits = listing.pattern is None or listing.pattern.fullmatch(name) is not None
    return bool(name) and fits and place >= listing.start and (listing.end is None or place[0] < listing.end)


def _once(found: Iterator[Entry]) -> Iterator[Entry]:
    """Yield entries, of those that stand for the same prefix the first."""
    last = ""
    for entry in found:
        if entry.item or entry.prefix != last:
            yield entry
        last = entry.prefix or last


def _check(call: Call) -> None:
    """Raise 400 where the parameters contradict each other, 501 where they ask for what is not here."""
    if flag(call.query, "softDeleted") and flag(call.query, "versions"):
        msg = "softDeleted and versions cannot both be true."
        raise invalid(msg, reason="invalid")
    if flag(call.query, "includeFoldersAsPrefixes") and call.parameter("delimiter") != "/":
        msg = "includeFoldersAsPrefixes needs the delimiter '/'."
        raise invalid(msg, reason="invalid")


def _states(query: Query) -> tuple[State, ...]:
    if flag(query, "softDeleted"):
        return (State.SOFT_DELETED,)
    return EVERY_VERSION if flag(query, "versions") else (State.LIVE,)


def entries(cloud: Cloud, bucket: str, listing: Listing) -> Iterator[Entry]:
    """Yield objects and prefixes in order; a long run below one prefix is jumped over."""
    start: Place | None = listing.start
    while start:
        start = yield from _run(cloud, bucket, listing, start)


def _run(cloud: Cloud, bucket: str, listing: Listing, start: Place) -> Generator[Entry, None, Place | None]:
    """Yield entries from `start` on; return where to go on after a jump, None at the end."""
    folded, skipped = "", 0
    for found in catalog.scan(cloud, bucket, start, listing.end, listing.states):
        if listing.pattern and not listing.pattern.fullmatch(found.name):
            continue
        prefix = common_prefix(found.name, listing)
        at = (found.name.encode(), found.generation)
        if not prefix or (listing.trailing and prefix == found.name):
            if not listing.wanted or listing.wanted(found.body):
                yield Entry(at, found, prefix)
        elif prefix != folded:
            yield Entry(at, None, prefix)
        elif (skipped := skipped + 1) > PAGE:
            after = catalog.successor(prefix.encode())
            return (after, 0) if after else None
        folded, skipped = (prefix, skipped) if prefix == folded else (prefix, 0)
    return None


def common_prefix(name: str, listing: Listing) -> str:
    """Return the name up to the first delimiter after the list's prefix, empty where it has none."""
    if not listing.delimiter:
        return ""
    at = name.find(listing.delimiter, len(listing.prefix))
    return name[: at + len(listing.delimiter)] if at >= 0 else ""


def listing_of(query: Query) -> Listing:
    """Read what a list asks for from the JSON API's parameters; raises ApiError 400."""
    prefix, glob = first(query, "prefix"), first(query, "matchGlob")
    begin = max(prefix.encode(), first(query, "startOffset").encode())
    ends = [end for end in (catalog.successor(prefix.encode()), first(query, "endOffset").encode()) if end]
    return Listing(
        prefix,
        first(query, "delimiter"),
        max((begin, 0), decode_token(first(query, "pageToken"))),
        min(ends, default=None),
        _states(query),
        flag(query, "includeTrailingDelimiter"),
        glob_expression(glob) if glob else None,
        context_filter(first(query, "filter")) if first(query, "filter") else None,
    )


@lru_cache
def glob_expression(glob: str) -> re.Pattern[str]:
    """Compile the service's glob: `*` and `?` stop at a slash, `**` does not, `[…]` is a set, `{a,b}` a choice."""
    parts: list[str] = []
    depth = 0
    for piece in re.findall(r"\*\*|\[[!^]?\]?[^\]]*\]|\\.|.", glob, re.DOTALL):
        parts.append(_glob_part(piece, inside=depth > 0))
        depth += 1 if piece == "{" else -1 if piece == "}" and depth else 0
    try:
        return re.compile("".join(parts) + ")" * depth, re.DOTALL)
    except re.error as error:
        msg = f"Invalid matchGlob {glob!r}: {error}"
        raise invalid(msg, reason="invalid") from None


def _glob_part(piece: str, *, inside: bool) -> str:
    """Translate one piece of a glob; commas and closing braces mean something `inside` of braces only."""
    fixed = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:"}
    choices = {"}": ")", ",": "|"} if inside else {}
    if piece.startswith("[") and len(piece) > 2:
        others = piece[1] in "!^"
        ranges = re.findall(r"(.)-(.)|(.)", piece[2 if others else 1 : -1], re.DOTALL)
        inner = "".join(
            f"{re.escape(first)}-{re.escape(last)}" if last else re.escape(one) for first, last, one in ranges
        )
        return f"[^{inner}]" if others else f"[{inner}]"
    return fixed.get(piece) or choices.get(piece) or re.escape(piece[-1] if piece.startswith("\\") else piece)
