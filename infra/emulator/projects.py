"""Projects: in the local cloud every project exists, and all have the same number."""

from collections.abc import Mapping
from typing import Any

from infra.emulator.calls import PROJECT_NUMBER, Cloud

Json = dict[str, Any]

KIND = "projects"
LATEST = "projects.latest"


def remember(cloud: Cloud, path: Mapping[str, str], query: Mapping[str, list[str]]) -> None:
    """Note the project that a call names, so that the number can be turned into an id."""
    project = _named(path, query)
    if not project or project in (PROJECT_NUMBER, "-", "_"):
        return
    if (cloud.resources.get(LATEST, LATEST) or {}).get("projectId") != project:
        cloud.resources.insert(KIND, project, {"createTime": cloud.now()})
        cloud.resources.put(LATEST, LATEST, {"projectId": project})


def by_id(cloud: Cloud, path: Mapping[str, str]) -> dict[str, str]:
    """Return path parameters with `projects/NUMBER/…` written as `projects/ID/…`: both name the same resource."""
    start = f"projects/{PROJECT_NUMBER}/"
    return {
        name: f"projects/{project_id(cloud, PROJECT_NUMBER)}/{value.removeprefix(start)}"
        if value.startswith(start)
        else value
        for name, value in path.items()
    }


def full_name(cloud: Cloud, name: str) -> str:
    """Return a resource's name in a body as paths have it, by the project's id."""
    return by_id(cloud, {"name": name})["name"]


def project_id(cloud: Cloud, project: str) -> str:
    """Return a project's id; the number means the project that was named last."""
    project = project.removeprefix("projects/")
    if project != PROJECT_NUMBER:
        return project
    return str((cloud.resources.get(LATEST, LATEST) or {}).get("projectId", PROJECT_NUMBER))


def created(cloud: Cloud, project: str) -> str:
    """Return the time when a project was first named."""
    cloud.resources.insert(KIND, project, {"createTime": cloud.now()})
    return str((cloud.resources.get(KIND, project) or {})["createTime"])


def known(cloud: Cloud) -> list[str]:
    """Return the projects that calls have named, oldest first."""
    return [name for name, _ in cloud.resources.list(KIND)]


def _named(path: Mapping[str, str], query: Mapping[str, list[str]]) -> str:
    for name, value in path.items():
        if value.startswith("projects/"):
            return value.split("/")[1]
        if name in ("project", "projectId"):
            return value
    return (query.get("project") or [""])[0]
