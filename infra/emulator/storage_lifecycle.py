"""A bucket's lifecycle rules: which of them an object meets, and what that makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from infra.emulator.errors import invalid
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject

MOST_RULES = 100
DELETE, SET_CLASS, ABORT = "Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"
COLDER = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")  # rules move objects to the right only
LIKE_STANDARD = ("MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY")
FOR_UPLOADS = {"age", "matchesPrefix", "matchesSuffix"}
DAYS = {"createdBefore", "customTimeBefore", "noncurrentTimeBefore"}  # conditions that name one: 2026-01-31


@dataclass(frozen=True)
class Subject:
    """An object as rules see it: `newer` counts the younger generations of its name, the live one included."""

    found: StoredObject
    newer: int
    now: datetime

    def time(self, field: str) -> datetime | None:
        """Return one of its times."""
        value = self.found.body.get(field)
        return _moment(value) if value else None


Test = Callable[[Subject, Any], bool]


def _older(field: str) -> Test:
    def test(subject: Subject, days: Any) -> bool:
        moment = subject.time(field)
        return moment is not None and _days(moment, subject.now) >= int(days)

    return test


def _before(field: str) -> Test:
    def test(subject: Subject, day: Any) -> bool:
        moment = subject.time(field)
        midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        return moment is not None and moment < midnight

    return test


CONDITIONS: dict[str, Test] = {
    "age": _older("timeCreated"),
    "createdBefore": _before("timeCreated"),
    "customTimeBefore": _before("customTime"),
    "daysSinceCustomTime": _older("customTime"),
    "daysSinceNoncurrentTime": _older("timeDeleted"),
    "noncurrentTimeBefore": _before("timeDeleted"),
    "isLive": lambda subject, live: subject.found.live == live,
    "matchesPrefix": lambda subject, prefixes: subject.found.name.startswith(tuple(prefixes)),
    "matchesSuffix": lambda subject, suffixes: subject.found.name.endswith(tuple(suffixes)),
    "matchesStorageClass": lambda subject, classes: subject.found.body["storageClass"] in classes,
    "numNewerVersions": lambda subject, count: subject.newer >= int(count),
    "sizeAboveBytes": lambda subject, size: subject.found.size > int(size),
    "sizeBelowBytes": lambda subject, size: subject.found.size < int(size),
}


def decide(rules: list[Json], subject: Subject) -> str:
    """Return what the rules make of an object: `Delete`, the storage class to move it to, or nothing.

    Where several apply, deletion wins over moving, and the coldest class over the others.
    """
    actions = [rule["action"] for rule in rules if rule["action"]["type"] != ABORT and meets(rule, subject)]
    if any(action["type"] == DELETE for action in actions):
        return DELETE
    present = _warmth(subject.found.body["storageClass"])
    colder = [action["storageClass"] for action in actions if _warmth(action["storageClass"]) > present]
    return max(colder, key=_warmth, default="")


def meets(rule: Json, subject: Subject) -> bool:
    """Tell whether an object meets all conditions of a rule."""
    return all(CONDITIONS[name](subject, value) for name, value in rule["condition"].items())


def aborts(rules: list[Json], name: str, begun: datetime, now: datetime) -> bool:
    """Tell whether the rules give an XML multipart upload up."""
    conditions = [rule["condition"] for rule in rules if rule["action"]["type"] == ABORT]
    return any(
        _days(begun, now) >= int(condition.get("age", 0))
        and name.startswith(tuple(condition.get("matchesPrefix", [""])))
        and name.endswith(tuple(condition.get("matchesSuffix", [""])))
        for condition in conditions
    )


def check_lifecycle(rules: list[Json]) -> None:
    """Raise 400 for rules that the service refuses, or that could not be followed here."""
    if len(rules) > MOST_RULES:
        raise _refused(f"{len(rules)} rules, at most {MOST_RULES} are allowed")
    for rule in rules:
        action, condition = rule.get("action") or {}, rule.get("condition") or {}
        kind = action.get("type")
        if kind not in {DELETE, SET_CLASS, ABORT}:
            raise _refused(f"unknown action {kind!r}")
        if kind == SET_CLASS and action.get("storageClass") not in {*COLDER, *LIKE_STANDARD}:
            raise _refused(f"{SET_CLASS} to {action.get('storageClass')!r}")
        if not condition:
            raise _refused("a rule needs at least one condition")
        _check_condition(kind, condition)


def _check_condition(kind: str, condition: Json) -> None:
    if unknown := set(condition) - set(CONDITIONS):
        raise _refused(f"the condition {min(unknown)!r} is not implemented by the local cloud")
    if kind == ABORT and (others := set(condition) - FOR_UPLOADS):
        raise _refused(f"{ABORT} takes no condition {min(others)!r}")
    for name, value in condition.items():
        if isinstance(value, int) and value < 0:
            raise _refused(f"{name} is negative: {value}")
        if name in DAYS and not _is_day(value):
            raise _refused(f"{name} is {value!r}, no day such as 2026-01-31")


def _refused(what: str) -> Exception:
    return invalid(f"Invalid lifecycle configuration: {what}.", reason="invalid")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _days(since: datetime, now: datetime) -> int:
    """Return how many whole days have gone by: counted and not added to a time, for rules may say millions."""
    return (now - since).days


def _warmth(storage_class: str) -> int:
    return COLDER.index(storage_class) if storage_class in COLDER else 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
