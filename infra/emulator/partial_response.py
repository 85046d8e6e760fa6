"""Partial responses: of an answer only what the system parameter `fields` (or the header X-Goog-FieldMask) names."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from infra.emulator.discovery import Document, Method
from infra.emulator.errors import invalid
from infra.emulator.resources import Json
from infra.emulator.spelling import camel_case

Mask = dict[str, Any]  # field -> mask of what is below it; an empty mask is everything
DEEPEST = 50


def mask_of(query: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> str:
    """Return the selection that a request asks for, empty where it wants everything."""
    named = [value for name, value in query if name in {"fields", "$fields"}]
    return named[0] if named else headers.get("x-goog-fieldmask", "")


def checked_mask(document: Document, method: Method, text: str) -> Mask:
    """Read a selection: `kind,items(name,metadata/owner)`; raises ApiError 400 for a name that is not there."""
    mask = parsed(text)
    schema = document.schemas.get(method.response)
    if schema:
        _check(document.schemas, schema, mask)
    return mask


@lru_cache(maxsize=512)
def parsed(text: str) -> Mask:
    """Parse a selection; raises ApiError 400 where it is none."""
    tokens = re.findall(r"[(),]|[^(),\s]+", text)
    mask: Mask = {}
    rest = _selectors(tokens, mask, 0)
    if rest:
        raise _refused(text)
    return mask


def _selectors(tokens: list[str], mask: Mask, depth: int) -> list[str]:
    """Read selectors, each a path with perhaps more in parentheses; return what follows them."""
    while True:
        if not tokens or tokens[0] in "()," or depth > DEEPEST:
            raise _refused(" ".join(tokens[:3]))
        below = mask
        for name in re.split(r"[/.]", tokens[0]):
            below = below.setdefault(camel_case(name), {})
        tokens = tokens[1:]
        if tokens[:1] == ["("]:
            tokens = _selectors(tokens[1:], below, depth + 1)
            if tokens[:1] != [")"]:
                raise _refused(" ".join(tokens[:3]) or "(")
            tokens = tokens[1:]
        if tokens[:1] != [","]:
            return tokens
        tokens = tokens[1:]


def _check(schemas: Json, schema: Json, mask: Mask) -> None:
    """Raise 400 where a mask names what a schema lacks; maps and values of any type take every name."""
    while "$ref" in schema or schema.get("type") == "array":
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema["items"]
    properties = schema.get("properties")
    for name, below in mask.items():
        if name == "*" or properties is None:
            continue
        if name not in properties:
            raise _refused(name)
        _check(schemas, properties[name], below)


def selected(value: Any, mask: Mask) -> Any:
    """Return what a mask leaves of a value; lists are looked into."""
    if not mask:
        return value
    if isinstance(value, list):
        return [selected(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    everything = mask.get("*")
    kept = {}
    for name, item in value.items():
        below = mask.get(name, everything)
        if below is not None:
            kept[name] = selected(item, below)
    return kept


def _refused(what: str) -> Exception:
    return invalid(f"Invalid field selection {what}", reason="invalidParameter")
