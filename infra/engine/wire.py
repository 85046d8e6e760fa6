"""Values as programs, providers and state hold them: JSON with marks for unknowns, secrets and references."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.engine.providers import UNKNOWN, Properties

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  (a mark, not a password)
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
MASK = "[secret]"


def signed(value: Any, signature: str) -> bool:
    """Tell whether a value is a dict that carries one of Pulumi's marks."""
    return isinstance(value, dict) and value.get(SIGNATURE) == signature


def secret(value: Any) -> Any:
    """Wrap a value as a secret; a secret stays as it is."""
    return value if signed(value, SECRET) else {SIGNATURE: SECRET, "value": value}


def plain(value: Any) -> Any:
    """Return a value as providers see it: secrets opened, references to resources as their ids."""
    if isinstance(value, dict):
        if signed(value, SECRET):
            return plain(value.get("value"))
        if signed(value, REFERENCE):
            return value.get("id") or value.get("urn")
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def masked(value: Any) -> Any:
    """Return a value as people may see it."""
    if isinstance(value, dict):
        return MASK if signed(value, SECRET) else {key: masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def has_unknown(value: Any) -> bool:
    """Tell whether a value, or anything in it, is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    return any(map(has_unknown, value)) if isinstance(value, list) else bool(value == UNKNOWN)


def has_secret(value: Any) -> bool:
    """Tell whether a value, or anything in it, is a secret."""
    if isinstance(value, dict):
        return signed(value, SECRET) or any(has_secret(item) for item in value.values())
    return isinstance(value, list) and any(map(has_secret, value))


def with_secrets_of(source: Any, value: Any) -> Any:
    """Mark in `value` (a provider's answer) what was secret in `source` (what the provider was given).

    Where the shapes differ, a secret anywhere in the source makes the whole value secret: never plain by accident.
    """
    if signed(source, SECRET):
        return secret(value)
    if isinstance(source, dict) and isinstance(value, dict):
        return {key: with_secrets_of(source.get(key), item) for key, item in value.items()}
    if isinstance(source, list) and isinstance(value, list) and len(source) == len(value):
        return [with_secrets_of(*pair) for pair in zip(source, value, strict=True)]
    return secret(value) if has_secret(source) else value


def with_secret_keys(outputs: Properties, keys: Iterable[str]) -> Properties:
    """Mark whole output properties as secret, as `additionalSecretOutputs` asks."""
    hidden = set(keys)
    return {key: secret(item) if key in hidden else item for key, item in outputs.items()}


def known_only(outputs: Mapping[str, Any], before: Mapping[str, Any]) -> Properties:
    """Keep what was before where a value is unknown: nothing unknown ever enters a state."""
    known = {key: item for key, item in outputs.items() if not has_unknown(item)}
    kept = {key: before[key] for key in outputs if key not in known and key in before}
    return {**kept, **known}
