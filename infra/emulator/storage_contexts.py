"""Object contexts: keyed values with the times of their making and last change, by which lists are filtered."""

import re
from collections.abc import Callable
from functools import lru_cache

from infra.emulator.errors import invalid
from infra.emulator.resources import Json

Test = Callable[[Json], bool]
TERM = re.compile(r'(-?)contexts\."([^"]+)"(?::\*|="([^"]*)")', re.ASCII)
FORMS = 'contexts."KEY"="VALUE", contexts."KEY":*, and either after a minus'


def stamped(before: Json, body: Json, now: str) -> Json:
    """Return a new resource whose contexts have their times; `before` is the resource that it replaces, or nothing."""
    custom = (body.get("contexts") or {}).get("custom")
    if not custom:
        return body
    old = (before.get("contexts") or {}).get("custom") or {}
    entries = {key: _entry(old.get(key) or {}, payload or {}, now) for key, payload in custom.items()}
    return {**body, "contexts": {"custom": entries}}


def _entry(old: Json, sent: Json, now: str) -> Json:
    same = old.get("value") == sent.get("value")
    times = {"createTime": old.get("createTime", now), "updateTime": old.get("updateTime", now) if same else now}
    return {"value": sent.get("value", ""), **times}


@lru_cache(maxsize=256)
def context_filter(text: str) -> Test:
    """Return the test of a list's `filter`, terms joined by AND; raises ApiError 400 where it is none."""
    tests = [_term(term) for term in re.split(r"\s+AND\s+", text.strip())]
    return lambda body: all(test(body) for test in tests)


def _term(text: str) -> Test:
    found = TERM.fullmatch(text)
    if not found:
        raise invalid(f"Invalid filter {text!r}. Supported: {FORMS}.", reason="invalid")
    minus, key, value = found.groups()

    def test(body: Json) -> bool:
        entry = ((body.get("contexts") or {}).get("custom") or {}).get(key)
        there = entry is not None and value in (None, entry.get("value"))
        return there is not bool(minus)

    return test
