"""compute: the one call that other resources need, a project by its number."""

from typing import Any

from infra.emulator.calls import PROJECT_NUMBER, Call, handles
from infra.emulator.projects import project_id

Json = dict[str, Any]


@handles("compute.projects.get")
def get(call: Call) -> Json:
    """Return a project; a bucket knows only the number of its own."""
    project = project_id(call.cloud, call.path["project"])
    link = f"{call.cloud.url}/compute/compute/{call.version}/projects/{project}"
    return {"kind": "compute#project", "id": PROJECT_NUMBER, "name": project, "selfLink": link}
