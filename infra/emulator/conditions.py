"""IAM conditions: the part of CEL that bindings commonly carry, judged for one request.

By Google's "Attribute reference for IAM Conditions": `resource.name`, `.type`, `.service`, `request.time`, the prefix
of a listing, comparisons, `in`, `&&`, `||`, `!`, startsWith, endsWith, extract, timestamp(), duration() and
times' parts.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from operator import add, eq, ge, gt, le, lt, ne, sub
from typing import Any
from zoneinfo import ZoneInfo

TOKEN = re.compile(
    r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\d+|&&|\|\||[=!<>]=|[<>!()\[\],.+-])\s*""", re.ASCII
)
PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False", "in": " in "}
NOT_CEL = {"and", "or", "not"}  # words of Python's grammar alone
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    **{ast.Eq: eq, ast.NotEq: ne, ast.Lt: lt, ast.LtE: le, ast.Gt: gt, ast.GtE: ge},
    ast.In: lambda value, values: value in values,
}
CALCULATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {ast.Add: add, ast.Sub: sub}
LIST_PREFIX = "storage.googleapis.com/objectListPrefix"
UNITS = {"h": 3600, "m": 60, "s": 1}


class UnknownConditionError(Exception):
    """A condition that cannot be judged here: it must grant nothing, and its owner be told."""


@dataclass(frozen=True)
class Request:
    """What conditions ask about: the resource (empty where its service names none), the time, a listing's prefix."""

    name: str
    type: str
    service: str
    time: datetime
    list_prefix: str | None = None


def holds(expression: str, request: Request) -> bool:
    """Tell whether a condition holds. Raises UnknownConditionError where it says more than is understood here."""
    try:
        value = _value(_parsed(expression), request)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise UnknownConditionError(expression) from error
    if not isinstance(value, bool):
        raise UnknownConditionError(expression)
    return value


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> ast.expr:
    """Parse an expression by way of Python's grammar, whose precedence is the same here."""
    words, place = [], 0
    while place < len(expression):
        found = TOKEN.match(expression, place)
        if not found or found[1] in NOT_CEL:
            raise UnknownConditionError(expression)
        words.append(PYTHON.get(found[1], found[1]))
        place = found.end()
    try:
        return ast.parse("".join(words).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnknownConditionError(expression) from error


def _value(node: ast.expr, request: Request) -> Any:
    evaluate = NODES.get(type(node))
    if evaluate is None:
        raise UnknownConditionError(ast.dump(node))
    return evaluate(node, request)


def _attribute(node: ast.Attribute, request: Request) -> Any:
    match node:
        case ast.Attribute(value=ast.Name(id="resource"), attr="name" | "type" | "service" as name):
            return getattr(request, name)
        case ast.Attribute(value=ast.Name(id="request"), attr="time"):
            return request.time
    raise UnknownConditionError(ast.dump(node))


def _compared(node: ast.Compare, request: Request) -> Any:
    if len(node.ops) > 1 or type(node.ops[0]) not in COMPARISONS:
        raise UnknownConditionError(ast.dump(node))
    return COMPARISONS[type(node.ops[0])](_value(node.left, request), _value(node.comparators[0], request))


def _calculated(node: ast.BinOp, request: Request) -> Any:
    calculate = CALCULATIONS.get(type(node.op))
    if calculate is None:
        raise UnknownConditionError(ast.dump(node))
    return calculate(_value(node.left, request), _value(node.right, request))


def _negated(node: ast.UnaryOp, request: Request) -> bool:
    if not isinstance(node.op, ast.Not):
        raise UnknownConditionError(ast.dump(node))
    return not _truth(node.operand, request)


def _called(node: ast.Call, request: Request) -> Any:
    arguments = [_value(one, request) for one in node.args]
    match node.func:
        case ast.Name(id="timestamp"):
            return datetime.fromisoformat(*arguments)
        case ast.Name(id="duration"):
            return _duration(*arguments)
        case ast.Attribute(value=ast.Name(id="api"), attr="getAttribute") if arguments[0] == LIST_PREFIX:
            return arguments[1] if request.list_prefix is None else request.list_prefix
        case ast.Attribute(value=value, attr=name):
            return METHODS[name](_value(value, request), *arguments)
    raise UnknownConditionError(ast.dump(node))


def _junction(parts: list[ast.expr], request: Request, *, decisive: bool) -> bool:
    """Join parts as CEL does: one that decides, decides, whatever cannot be judged beside it."""
    unknown: UnknownConditionError | None = None
    for part in parts:
        try:
            if _truth(part, request) is decisive:
                return decisive
        except UnknownConditionError as error:
            unknown = error
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            unknown = UnknownConditionError(str(error))
    if unknown:
        raise unknown
    return not decisive


def _truth(node: ast.expr, request: Request) -> bool:
    value = _value(node, request)
    if not isinstance(value, bool):
        raise UnknownConditionError(ast.dump(node))
    return value


def _duration(text: str) -> timedelta:
    if not re.fullmatch(r"(\d+(\.\d+)?[hms])+", text):
        raise UnknownConditionError(text)
    return timedelta(seconds=sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+)([hms])", text)))


def _extract(text: str, template: str) -> str:
    """Return what stands in a text where the template has its `{name}`, empty where the template does not fit."""
    before, opening, rest = template.partition("{")
    _, closing, after = rest.partition("}")
    start = text.find(before)
    if not (opening and closing) or start < 0:
        return ""
    found = text[start + len(before) :]
    end = found.find(after) if after else len(found)
    return found[:end] if end >= 0 else ""


def _in_zone(time: datetime, zone: str = "UTC") -> datetime:
    return time.astimezone(_zone(zone))


def _zone(name: str) -> tzinfo:
    if found := re.fullmatch(r"([+-]?)(\d{2}):(\d{2})", name):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset)
    return UTC if name == "UTC" else ZoneInfo(name)


METHODS: dict[str, Callable[..., Any]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "extract": _extract,
    "getFullYear": lambda *given: _in_zone(*given).year,
    "getMonth": lambda *given: _in_zone(*given).month - 1,
    "getDate": lambda *given: _in_zone(*given).day,
    "getDayOfMonth": lambda *given: _in_zone(*given).day - 1,
    "getDayOfWeek": lambda *given: _in_zone(*given).isoweekday() % 7,
    "getDayOfYear": lambda *given: _in_zone(*given).timetuple().tm_yday - 1,
    "getHours": lambda *given: _in_zone(*given).hour,
    "getMinutes": lambda *given: _in_zone(*given).minute,
    "getSeconds": lambda *given: _in_zone(*given).second,
}

NODES: dict[type[ast.expr], Callable[[Any, Request], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.List: lambda node, request: [_value(item, request) for item in node.elts],
    ast.BoolOp: lambda node, request: _junction(node.values, request, decisive=isinstance(node.op, ast.Or)),
    ast.UnaryOp: _negated,
    ast.Compare: _compared,
    ast.BinOp: _calculated,
    ast.Attribute: _attribute,
    ast.Call: _called,
}
