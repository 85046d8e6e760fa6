"""A request's body, checked against its method's schema and brought into one canonical form.

Handlers see names in camelCase, 64-bit integers as text, enums by name, and no field that only the service writes.
"""

import logging
import re
from dataclasses import dataclass, field
from typing import Any

from infra.emulator.discovery import Document, Method
from infra.emulator.errors import ApiError
from infra.emulator.scalars import UnfitError, scalar, shown
from infra.emulator.spelling import camel_case, snake_case

Json = dict[str, Any]

logger = logging.getLogger("infra.emulator")

MAX_DEPTH = 100  # protocol buffers refuse messages nested deeper
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
# Where null says more than absence: it deletes a key (merge patch), or is given back as it was sent.
KEEPS_NULLS = frozenset({"artifactregistry", "compute", "notebooks", "storage"})
# What no document has, but clients send: Google's own with every retention, the gcp provider with every NAT.
TAKEN_ANYWAY = frozenset({("object.retention", "retentionExpirationTime"), ("router.nats", "initialNatIps")})


@dataclass
class Check:
    """One request's check: the schemas it may need, and what was found wrong."""

    schemas: Json
    keep_nulls: bool
    lenient: bool = False
    violations: list[Json] = field(default_factory=list)

    def refuse(self, path: str, message: str) -> None:
        """Note a violation at a field (snake_case path, as Google writes it)."""
        violation = {"field": path} if path else {}
        self.violations.append({**violation, "description": message})

    def unknown(self, path: str, name: str) -> None:
        """Note a name that the schema lacks; a lenient check only logs it."""
        where = f" at '{path}'" if path else ""
        message = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        if self.lenient or (re.sub(r"\[\d+\]", "", path), name) in TAKEN_ANYWAY:
            logger.warning("%s", message)
        else:
            self.refuse(path, message)

    def finish(self) -> None:
        """Raise Google's 400 where anything was wrong."""
        if self.violations:
            message = "\n".join(violation["description"] for violation in self.violations)
            details = [{"@type": BAD_REQUEST, "fieldViolations": self.violations}]
            raise ApiError(400, message, reason="invalid", details=details)


def checked_body(document: Document, method: Method, body: Any, *, lenient: bool = False) -> Json:
    """Return the canonical body of a request; raises ApiError 400."""
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON payload received. Root element must be a message.", reason="parseError")
    check = Check(document.schemas, document.api in KEEPS_NULLS, lenient)
    schema = document.schemas.get(method.request, {"properties": {}})
    result = _message(check, schema, body, _body_field(method), 0)
    check.finish()
    return result


def _body_field(method: Method) -> str:
    """Return the proto field that the body fills: none where the body is the request message itself."""
    name = re.sub(r"^(?:Google\w*?V\d+(?:(?:alpha|beta)\d+)?_*)", "", method.request)
    return "" if name.endswith("Request") else snake_case(name)


def _message(check: Check, schema: Json, value: Json, path: str, depth: int) -> Json:
    if depth > MAX_DEPTH:
        _too_deep(check, path)
        return {}
    result: Json = {}
    properties = schema.get("properties", {})
    for name, item in value.items():
        known = name if name in properties else camel_case(name)
        if known in properties:
            _field(check, properties[known], (known, item, result), (path, depth))
        elif "additionalProperties" in schema:
            _entry(check, schema["additionalProperties"], (name, item, result), (path, depth))
        elif name != "@type":
            check.unknown(path, name)
    return result


def _field(check: Check, schema: Json, entry: tuple[str, Any, Json], place: tuple[str, int]) -> None:
    """Check one known field and put it into the result, unless only the service writes it."""
    name, item, result = entry
    path, depth = place
    if item is None:
        if check.keep_nulls and not schema.get("readOnly"):
            result[name] = None
        return
    inner = _join(path, name)
    checked = _value(check, schema, item, inner, depth + 1)
    if not schema.get("readOnly"):
        result[name] = checked


def _entry(check: Check, schema: Json, entry: tuple[str, Any, Json], place: tuple[str, int]) -> None:
    """Check one entry of a map and put it into the result; a null is no entry, unless anything is one."""
    name, item, result = entry
    path, depth = place
    if item is not None or check.keep_nulls or schema.get("type") == "any":
        inner = f"{path}[{name!r}]" if path else name
        result[name] = _value(check, schema, item, inner, depth + 1)


def _value(check: Check, schema: Json, value: Any, path: str, depth: int) -> Any:
    if schema.get("type") == "any":
        return _any(check, value, path, depth)
    if value is None:
        return None
    if "$ref" in schema:
        return _object(check, check.schemas[schema["$ref"]], value, path, depth)
    if schema.get("type") == "object":
        return _object(check, schema, value, path, depth)
    if schema.get("type") == "array":
        return _array(check, schema, value, path, depth)
    return _scalar(check, schema, value, path)


def _any(check: Check, value: Any, path: str, depth: int) -> Any:
    """Take any value that is not nested too deep."""
    level = [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for item in level for inner in _inside(item)]
    return _too_deep(check, path) if level else value


def _inside(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _too_deep(check: Check, path: str) -> None:
    check.refuse(path[:200], "Invalid JSON payload received. Message too deep. Max recursion depth reached.")


def _object(check: Check, schema: Json, value: Any, path: str, depth: int) -> Any:
    if isinstance(value, dict):
        return _message(check, schema, value, path, depth)
    if isinstance(value, list):
        _not_repeating(check, path)
    else:
        name = schema.get("id", "google.protobuf.Struct")
        check.refuse(path, f"Invalid value at '{path}' (type.googleapis.com/{name}), {shown(value)}")
    return None


def _array(check: Check, schema: Json, value: Any, path: str, depth: int) -> Any:
    if not isinstance(value, list):
        check.refuse(path, f"Invalid value at '{path}' (repeated field), {shown(value)}")
        return None
    items = schema.get("items", {"type": "any"})
    return [_item(check, items, item, f"{path}[{position}]", depth) for position, item in enumerate(value)]


def _item(check: Check, schema: Json, value: Any, path: str, depth: int) -> Any:
    if value is None and schema.get("type") != "any":
        check.refuse(path, f"Invalid value at '{path}' (repeated field), null")
    return _value(check, schema, value, path, depth)


def _scalar(check: Check, schema: Json, value: Any, path: str) -> Any:
    if isinstance(value, list):
        _not_repeating(check, path)
        return None
    try:
        return scalar(schema, value)
    except UnfitError as error:
        check.refuse(path, f"Invalid value at '{path}' ({error.kind}), {error.tail}")
        return None


def _not_repeating(check: Check, path: str) -> None:
    parent, _, name = path.rpartition(".")
    where = f" at '{parent}'" if parent else ""
    message = "Proto field is not repeating, cannot start list."
    check.refuse(parent, f'Invalid JSON payload received. Unknown name "{name}"{where}: {message}')


def _join(path: str, name: str) -> str:
    return f"{path}.{snake_case(name)}" if path else snake_case(name)
