"""Access lists of buckets and objects as tests read them: entity and role."""

from typing import Any

from tests.cloud import LocalCloud
from tests.storage import call

NUMBER = "123456789012"
OWNERS, EDITORS, VIEWERS = (f"project-{team}-{NUMBER}" for team in ("owners", "editors", "viewers"))
TEAMS = {OWNERS: "OWNER", EDITORS: "OWNER", VIEWERS: "READER"}
WRITER = "user-owner@local"  # who writes where nobody says who he is


def entries(resource: dict[str, Any], name: str = "acl") -> dict[str, str]:
    """Return a list as entity and role."""
    return {entry["entity"]: entry["role"] for entry in resource.get(name) or resource.get("items") or []}


def held(listed: Any) -> dict[str, str]:
    """Return what a list of Google's client holds, read anew."""
    listed.reload()
    return {entry["entity"]: entry["role"] for entry in listed}


def full(cloud: LocalCloud, path: str) -> dict[str, Any]:
    """Return a resource with its lists."""
    answer: dict[str, Any] = call(cloud, "GET", f"/storage/v1/b/{path}?projection=full").json()
    return answer
