"""Values of the stack's configuration, from what Pulumi passes (text, or JSON as text) to checked Python values.

Every reader takes the raw value and returns the checked one, or raises ValueError with what it wanted.
"""

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Reader = Callable[[Any], Any]

LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
LABELS = 'labels such as {"team": "pricing"}: lower-case letters, digits, _ and -, keys starting with a letter'
ARTIFACT_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/\S+")
PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class UploadedModel:
    """A SavedModel in the bucket: its folder and the digest of its content."""

    artifact_uri: str
    digest: str


def boolean(raw: Any) -> bool:
    """Read true or false."""
    if raw in (True, "true", "True"):
        return True
    if raw in (False, "false", "False"):
        return False
    wanted = "true or false"
    raise ValueError(wanted)


def whole(low: int, high: int, *, also: Sequence[int] = ()) -> Reader:
    """Make a reader of whole numbers between two limits, both included, or one of `also`."""

    def read(raw: Any) -> int:
        text = str(raw)
        number = int(text) if re.fullmatch(r"\d{1,9}", text) and not isinstance(raw, bool) else None
        if number is None or not (low <= number <= high or number in also):
            wanted = "".join(f"{value} or " for value in also) + f"a whole number from {low} to {high}"
            raise ValueError(wanted)
        return number

    return read


def number(low: float, high: float) -> Reader:
    """Make a reader of numbers between two limits, both included."""

    def read(raw: Any) -> float:
        text = str(raw)
        found = float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) and not isinstance(raw, bool) else None
        if found is None or not low <= found <= high:
            wanted = f"a number from {low:g} to {high:g}"
            raise ValueError(wanted)
        return found

    return read


def matching(pattern: str, wanted: str) -> Reader:
    """Make a reader of text that matches a pattern as a whole."""
    compiled = re.compile(pattern)

    def read(raw: Any) -> str:
        if not isinstance(raw, str) or not compiled.fullmatch(raw):
            raise ValueError(wanted)
        return raw

    return read


def one_of(known: Collection[str], wanted: str, example: str) -> Reader:
    """Make a reader of one of many names; the near ones are named where it is none of them."""

    def read(raw: Any) -> str:
        if not isinstance(raw, str) or raw not in known:
            near = difflib.get_close_matches(str(raw), sorted(known), 3) or [example]
            hint = f"{wanted} such as {', '.join(near)}"
            raise ValueError(hint)
        return raw

    return read


def several(each: Reader, wanted: str) -> Reader:
    """Make a reader of lists whose every entry another reader takes, each once."""

    def read(raw: Any) -> tuple[str, ...]:
        names = [each(name) for name in _decoded(raw, list, wanted)]
        if len(set(names)) != len(names):
            raise ValueError(wanted)
        return tuple(names)

    return read


def address_range(wanted: str) -> Reader:
    """Make a reader of ranges of private IPv4 addresses that a subnetwork can have (RFC 1918, /8 to /29)."""

    def read(raw: Any) -> str:
        try:
            block = ipaddress.IPv4Network(raw) if isinstance(raw, str) else None
        except ValueError:
            block = None
        if block is None or not 8 <= block.prefixlen <= 29 or not any(block.subnet_of(one) for one in PRIVATE):
            raise ValueError(wanted)
        return str(block)

    return read


def choices(known: Sequence[str]) -> Reader:
    """Make a reader of lists that name some of `known`, each once."""
    wanted = f"a list of some of {', '.join(known)}"

    def read(raw: Any) -> tuple[str, ...]:
        names = _decoded(raw, list, wanted)
        if any(name not in known for name in names) or len(set(names)) != len(names):
            raise ValueError(wanted)
        return tuple(names)

    return read


def labels(reserved: Sequence[str]) -> Reader:
    """Make a reader of Google labels; `reserved` keys are the program's own."""

    def read(raw: Any) -> dict[str, str]:
        found = _decoded(raw, dict, LABELS)
        for key, value in found.items():
            if key in reserved or key.startswith("goog"):
                wanted = f"labels without the reserved key {key!r}"
                raise ValueError(wanted)
            if not (LABEL_KEY.fullmatch(key) and isinstance(value, str) and LABEL_VALUE.fullmatch(value)):
                raise ValueError(LABELS)
        return dict(sorted(found.items()))

    return read


def named(known: Sequence[str], pattern: str, wanted: str) -> Reader:
    """Make a reader of mappings from some of `known` to names of a pattern."""
    compiled = re.compile(pattern)

    def read(raw: Any) -> dict[str, str]:
        found = _decoded(raw, dict, wanted)
        if any(
            key not in known or not isinstance(name, str) or not compiled.fullmatch(name) for key, name in found.items()
        ):
            raise ValueError(wanted)
        return {key: found[key] for key in known if key in found}

    return read


def uploaded_models(known: Sequence[str]) -> Reader:
    """Make a reader of the uploaded models by wrapper, as `invoke upload` writes them."""
    wanted = f'wrappers ({", ".join(known)}), each with {{"artifactUri": "gs://…", "digest": "…"}}'

    def read(raw: Any) -> dict[str, UploadedModel]:
        found = _decoded(raw, dict, wanted)
        if any(wrapper not in known for wrapper in found):
            raise ValueError(wanted)
        return {wrapper: _uploaded_model(found[wrapper], wanted) for wrapper in known if wrapper in found}

    return read


def _uploaded_model(raw: Any, wanted: str) -> UploadedModel:
    if not isinstance(raw, Mapping) or set(raw) != {"artifactUri", "digest"}:
        raise ValueError(wanted)
    artifact_uri, digest = raw["artifactUri"], raw["digest"]
    if not isinstance(artifact_uri, str) or not ARTIFACT_URI.fullmatch(artifact_uri):
        raise ValueError(wanted)
    # YAML reads an unquoted digest of digits alone as a number
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise ValueError(wanted)
    return UploadedModel(artifact_uri.rstrip("/"), digest)


def _decoded(raw: Any, kind: type[list[Any]] | type[dict[str, Any]], wanted: str) -> Any:
    """Take a list or mapping as it stands in a stack file, or as the JSON text that the Pulumi CLI makes of it."""
    try:
        value = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        raise ValueError(wanted) from None
    if not isinstance(value, kind) or not all(isinstance(item, str) for item in value):
        raise ValueError(wanted)
    return value
