"""What every Vertex AI resource is checked against: names, labels, masks; and the service's form of saying no."""

import copy
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from infra.emulator.calls import Call
from infra.emulator.errors import ApiError, aborted, invalid
from infra.emulator.resources import Json
from infra.emulator.spelling import camel_case

Finding = tuple[str, str]

REQUIRED = "Required field is not set."
MAX_DISPLAY_NAME = 128
MAX_LABELS = 64
LABEL_VALUE = re.compile(r"[\w-]{0,63}")
LABEL_RULE = (
    "Label keys and values can only contain lowercase letters, numbers, dashes and underscores, with at most 63 "
    "characters each."
)


def found_errors(findings: Iterable[Finding]) -> ApiError:
    """Make the 400 that Vertex AI answers to a request with wrong fields, one numbered entry per field."""
    entries = [f"{number}.Field: {field}; Message: {text}\t" for number, (field, text) in enumerate(findings, 1)]
    return invalid("List of found errors:\t" + "".join(entries))


def refuse(findings: list[Finding]) -> None:
    """Raise the 400 where there are findings."""
    if findings:
        raise found_errors(findings)


def display_name_findings(body: Mapping[str, Any], path: str) -> list[Finding]:
    """Check `displayName`: required, at most 128 characters."""
    name = body.get("displayName")
    if not name:
        return [(f"{path}.display_name", REQUIRED)]
    if len(name) > MAX_DISPLAY_NAME:
        return [(f"{path}.display_name", f"The display name has {len(name)} characters, at most 128 are allowed.")]
    return []


def _label_fits(text: str) -> bool:
    return bool(LABEL_VALUE.fullmatch(text)) and text == text.lower()


def label_findings(body: Mapping[str, Any], path: str) -> list[Finding]:
    """Check `labels`: at most 64, lower case letters of any script, digits, `_` and `-`."""
    labels = body.get("labels") or {}
    if len(labels) > MAX_LABELS:
        return [(f"{path}.labels", f"There are {len(labels)} labels, at most 64 are allowed.")]
    wrong = [key for key, value in labels.items() if not (key and _label_fits(key) and _label_fits(value))]
    return [(f"{path}.labels", f"{LABEL_RULE} Found: {key!r}: {labels[key]!r}.") for key in wrong]


def new_etag() -> str:
    """Make an etag as opaque as the service's."""
    return "AMEw9y" + secrets.token_urlsafe(15)


def check_etag(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Refuse a change that was made from an older reading of the resource."""
    if sent.get("etag") and sent["etag"] != stored.get("etag"):
        raise aborted(
            f"The etag {sent['etag']!r} is not the current one. Read the resource again and repeat the change."
        )


def numeric_id(call: Call) -> str:
    """Return an id as the service generates them: 19 digits, never given twice."""
    return str(10**18 + call.resources.next_number("aiplatform.ids") * 10**6 + secrets.randbelow(10**6))


def mask_paths(mask: str) -> list[str]:
    """Return a mask's paths in camel case (clients send either form)."""
    paths = mask.split(",")
    return [".".join(camel_case(part) for part in path.strip().split(".")) for path in paths if path.strip()]


def required_mask(mask: str, allowed: Iterable[str]) -> list[str]:
    """Return the paths of an update mask, refusing an empty one and paths outside `allowed`."""
    paths = mask_paths(mask)
    if not paths:
        raise found_errors([("update_mask", REQUIRED)])
    wrong = [path for path in paths if path.split(".", maxsplit=1)[0] not in set(allowed)]
    refuse(
        [("update_mask", f"The field {path!r} can not be updated. Updatable: {', '.join(allowed)}.") for path in wrong]
    )
    return paths


def apply_mask(stored: Json, sent: Json, paths: Iterable[str]) -> Json:
    """Return `stored` with the masked fields as `sent` has them; a field that was not sent is cleared."""
    merged = copy.deepcopy(stored)
    for path in paths:
        _copy_field(merged, sent, path.split("."))
    return merged


def _copy_field(target: Json, source: Json, parts: list[str]) -> None:
    head, *rest = parts
    if rest:
        inner = source.get(head)
        _copy_field(target.setdefault(head, {}), inner if isinstance(inner, dict) else {}, rest)
    elif head in source:
        target[head] = source[head]
    else:
        target.pop(head, None)


def masked(body: Json, paths: Iterable[str]) -> Json:
    """Return only the fields that a read mask names (all of them for an empty mask or `*`)."""
    wanted = list(paths)
    if not wanted or "*" in wanted:
        return body
    return apply_mask({}, body, wanted)
