"""List filters of Vertex AI (`display_name="a" AND NOT labels.team:*`) -> a test on a resource."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from infra.emulator.errors import invalid
from infra.emulator.resources import Json
from infra.emulator.spelling import camel_case

Test = Callable[[Json], bool]
Read = Callable[[Json], Any]

TOKEN = re.compile(
    r"""\s*(?:(?P<symbol>\(|\)|!=|<=|>=|=|<|>|:)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()=!<>:"]+))"""
)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda have, want: bool(have == want),
    "!=": lambda have, want: bool(have != want),
    "<": lambda have, want: bool(have < want),
    "<=": lambda have, want: bool(have <= want),
    ">": lambda have, want: bool(have > want),
    ">=": lambda have, want: bool(have >= want),
}
Token = tuple[str, str]  # (kind, text): kind is symbol, quoted or word


def _tokens(text: str) -> list[Token]:
    found, position = [], 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if not match:
            raise invalid(f"Invalid filter {text!r}: unexpected {text[position:].strip()!r}.")
        kind = str(match.lastgroup)
        value = match.group(kind)
        found.append((kind, re.sub(r"\\(.)", r"\1", value) if kind == "quoted" else value))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; AIP-160's precedence: OR binds closer than AND."""

    def __init__(self, text: str, fields: Mapping[str, Read]) -> None:
        self.text, self.fields, self.tokens = text, fields, _tokens(text)

    def fail(self, what: str) -> Exception:
        return invalid(f"Invalid filter {self.text!r}: {what}.")

    def peek(self) -> Token:
        return self.tokens[0] if self.tokens else ("end", "")

    def take(self) -> Token:
        if not self.tokens:
            raise self.fail("it ends too early")
        return self.tokens.pop(0)

    def accept(self, kind: str, text: str) -> bool:
        if self.peek() == (kind, text):
            self.tokens.pop(0)
            return True
        return False

    def conjunction(self) -> Test:
        parts = [self.disjunction()]
        while self.accept("word", "AND") or (self.tokens and self.peek() != ("symbol", ")")):
            parts.append(self.disjunction())
        return lambda body: all(part(body) for part in parts)

    def disjunction(self) -> Test:
        parts = [self.negation()]
        while self.accept("word", "OR"):
            parts.append(self.negation())
        return lambda body: any(part(body) for part in parts)

    def negation(self) -> Test:
        if self.accept("word", "NOT"):
            inner = self.negation()
            return lambda body: not inner(body)
        if self.accept("symbol", "("):
            grouped = self.conjunction()
            if not self.accept("symbol", ")"):
                raise self.fail("a ')' is missing")
            return grouped
        return self.comparison()

    def comparison(self) -> Test:
        kind, name = self.take()
        if kind != "word":
            raise self.fail(f"a field name is wanted where {name!r} stands")
        if name.endswith(".") and self.peek()[0] == "quoted":  # labels."a key"
            name += self.take()[1]
        read = self.reader(name)
        kind, operator = self.take()
        if kind != "symbol" or operator in "()":
            raise self.fail(f"an operator is wanted after {name!r}")
        kind, value = self.take()
        if kind == "symbol":
            raise self.fail(f"a value is wanted after {name!r}{operator}")
        return _test(read, operator, value)

    def reader(self, name: str) -> Read:
        head, _, key = name.partition(".")
        if camel_case(head) == "labels":
            return lambda body: (body.get("labels") or {}).get(key) if key else body.get("labels")
        known = self.fields.get(camel_case(name))
        if not known:
            raise self.fail(f"unknown field {name!r}, supported: {', '.join([*self.fields, 'labels.KEY'])}")
        return known


def _test(read: Read, operator: str, value: str) -> Test:
    if operator == ":":
        return lambda body: _has(read(body), value)
    compare = COMPARE[operator]

    def test(body: Json) -> bool:
        have = read(body)
        if have is None:
            return operator == "!="
        return compare(*_comparable(str(have), value))

    return test


def _has(have: Any, value: str) -> bool:
    if isinstance(have, dict):
        return value in have
    return have is not None and fnmatchcase(str(have), value if "*" in value else f"*{value}*")


def _comparable(have: str, want: str) -> tuple[Any, Any]:
    """Return both as times where both are, else as text."""
    try:
        times = [datetime.fromisoformat(text) for text in (have, want)]
    except ValueError:
        return have, want
    first, second = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in times)
    return first, second


def matcher(text: str, fields: Mapping[str, Read]) -> Test:
    """Parse a filter over the named fields and labels; an empty one matches everything. Raises a 400."""
    if not text.strip():
        return lambda _body: True
    parser = _Parser(text, fields)
    try:
        test = parser.conjunction()
    except RecursionError:
        raise invalid("Invalid filter: it is nested too deeply.") from None
    if parser.tokens:
        raise parser.fail(f"unexpected {parser.peek()[1]!r}")
    return test
