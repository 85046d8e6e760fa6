"""Predefined access lists: what a name such as `publicRead` stands for, on a bucket and on an object.

Source: the `enumDescriptions` of the parameter `predefinedAcl` in storage's discovery document.
"""

from collections.abc import Mapping

from infra.emulator.access_entries import OWNERS, Entries
from infra.emulator.calls import PROJECT_NUMBER
from infra.emulator.errors import invalid

PROJECT_PRIVATE: Entries = {  # what everything new has
    OWNERS: "OWNER",
    f"project-editors-{PROJECT_NUMBER}": "OWNER",
    f"project-viewers-{PROJECT_NUMBER}": "READER",
}
BUCKET_LISTS: Mapping[str, Entries] = {
    "authenticatedRead": {OWNERS: "OWNER", "allAuthenticatedUsers": "READER"},
    "private": {OWNERS: "OWNER"},
    "projectPrivate": PROJECT_PRIVATE,
    "publicRead": {OWNERS: "OWNER", "allUsers": "READER"},
    "publicReadWrite": {OWNERS: "OWNER", "allUsers": "WRITER"},
}
OBJECT_LISTS: Mapping[str, Entries] = {  # beside the object's owner
    "authenticatedRead": {"allAuthenticatedUsers": "READER"},
    "bucketOwnerFullControl": {OWNERS: "OWNER"},
    "bucketOwnerRead": {OWNERS: "READER"},
    "private": {},
    "projectPrivate": PROJECT_PRIVATE,
    "publicRead": {"allUsers": "READER"},
}


def predefined(lists: Mapping[str, Entries], name: str) -> Entries:
    """Return the list that a name stands for. Raises ApiError 400."""
    if name not in lists:
        msg = f"Invalid value for parameter predefinedAcl: {name!r}. Use {', '.join(lists)}."
        raise invalid(msg, reason="invalidParameter")
    return lists[name]
