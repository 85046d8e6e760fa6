"""Create, get, list, patch and delete as most of Google's APIs do them: resources by full name, masks, pages."""

import base64
import binascii
import copy
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from infra.emulator.calls import Call
from infra.emulator.errors import already_exists, invalid, not_found
from infra.emulator.filters import matcher
from infra.emulator.spelling import camel_case

Json = dict[str, Any]

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000


def create(call: Call, kind: str, name: str, body: Json, *, message: str = "") -> Json:
    """Store a new resource and return it; raises 409 where the name is taken."""
    if not call.resources.insert(kind, name, body):
        raise already_exists(message or f"Resource '{name}' already exists")
    return body


def get(call: Call, kind: str, name: str, *, message: str = "") -> Json:
    """Return a resource; raises 404."""
    body = call.resources.get(kind, name)
    if body is None:
        raise not_found(message or f"Resource '{name}' was not found")
    return body


def delete(call: Call, kind: str, name: str, *, message: str = "") -> Json:
    """Remove a resource and return what it was; raises 404."""
    with call.resources.transaction():
        body = get(call, kind, name, message=message)
        call.resources.delete(kind, name)
    return body


def page(
    call: Call, items: Sequence[Any], key: str, *, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE
) -> Json:
    """Return the page of a list that `pageSize` and `pageToken` ask for; an empty list is left out, as Google does."""
    start = _offset(call.parameter("pageToken"))
    size = min(_size(call.parameter("pageSize"), default), largest)
    answer: Json = {key: list(items[start : start + size])} if items[start : start + size] else {}
    if start + size < len(items):
        answer["nextPageToken"] = _token(start + size)
    return answer


def filtered(items: Iterable[Json], text: str, *names: str) -> list[Json]:
    """Return the items that a list filter over some top-level fields and labels takes; raises 400 where it is wrong."""
    test = matcher(text, {name: _reader(name) for name in names})
    return [item for item in items if test(item)]


def _reader(name: str) -> Callable[[Json], Any]:
    return lambda item: str(item[name]).lower() if isinstance(item.get(name), bool) else item.get(name)


def ordered(items: Iterable[Json], order: str) -> list[Json]:
    """Sort by `orderBy` (`create_time desc, name`); raises 400 for a field that is no name."""
    result = list(items)
    for clause in reversed([part.split() for part in order.split(",") if part.strip()]):
        field, *direction = clause
        if direction not in ([], ["asc"], ["desc"]) or not re.fullmatch(r"[\w.]+", field):
            raise invalid(f"Invalid order_by {order!r}.", field_path="order_by")
        result.sort(key=_by(keys(field)), reverse=direction == ["desc"])
    return result


def _by(path: Sequence[str]) -> Callable[[Json], str]:
    return lambda item: str(read(item, path) or "")


def patched(body: Json, changes: Json, mask: str, *, mutable: Iterable[str] | None = None) -> Json:
    """Return the body with the fields that a mask names taken from the changes.

    A mask holds camelCase or snake_case paths (`gce_setup.machine_type,labels`); `*` or none means every field that is
    sent. A field that the mask names and the changes lack is removed. Raises 400 for a path outside `mutable`.
    """
    paths = [keys(path) for path in mask.split(",") if path.strip()] if mask not in ("", "*") else []
    result = copy.deepcopy(body)
    for path in paths or [[name] for name in changes]:
        if mutable is not None and path[0] not in set(mutable):
            raise invalid(
                f"Update mask contains an immutable or unknown field: {'.'.join(path)!r}.", field_path="update_mask"
            )
        _write(result, path, read(changes, path))
    return result


def keys(path: str) -> list[str]:
    """Split a dotted field path into camelCase names."""
    return [camel_case(part) for part in path.strip().split(".")]


def read(body: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path, or None."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return copy.deepcopy(body)


def _write(body: Json, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        inner = body.get(name)
        body[name] = inner if isinstance(inner, dict) else {}
        body = body[name]
    if value is None:
        body.pop(path[-1], None)
    else:
        body[path[-1]] = value


def _size(text: str, default: int) -> int:
    size = int(text or 0)
    if size < 0:
        raise invalid(f"Invalid page_size {size}: it must not be negative.", field_path="page_size")
    return min(size or default, LARGEST_PAGE)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode().rstrip("=")


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not re.fullmatch(r"offset:[0-9]{1,12}", text):
        raise invalid(f"Invalid page token {token!r}.", field_path="page_token")
    return int(text.removeprefix("offset:"))
