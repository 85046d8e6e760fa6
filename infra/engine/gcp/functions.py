"""The provider's functions: what a program looks up instead of declaring it."""

from collections.abc import Callable, Mapping

from infra.engine.gcp.rest import Cloud, escaped
from infra.engine.providers import Properties


def storage_agent(cloud: Cloud, arguments: Properties) -> Properties:
    """Return the account that Cloud Storage acts as in a project; asking makes it where it is not there yet."""
    project = str(arguments.get("project") or cloud.settings.get("project", ""))
    found = cloud.call("GET", f"{cloud.base('storage')}projects/{escaped(project)}/serviceAccount")
    email = found["email_address"]
    return {
        "id": email,
        "project": project,
        "userProject": arguments.get("userProject"),
        "emailAddress": email,
        "member": f"serviceAccount:{email}",
    }


FUNCTIONS: Mapping[str, Callable[[Cloud, Properties], Properties]] = {
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": storage_agent,
}
