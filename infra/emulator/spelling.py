"""Names as JSON spells them, `displayName`, and as protocol buffers do, `display_name`."""

import re
from functools import lru_cache


@lru_cache(maxsize=8192)
def camel_case(name: str, separator: str = "_") -> str:
    """Return `display_name` as `displayName`; camel case stays as it is."""
    return re.sub(f"{separator}([a-z0-9])", lambda found: found[1].upper(), name)


@lru_cache(maxsize=8192)
def snake_case(name: str) -> str:
    """Return `displayName` as `display_name`; what is no name of a field stays as it is."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower() if name.isidentifier() or "." in name else name
