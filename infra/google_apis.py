"""The APIs beside Vertex AI that tasks ask: where a stack has each, on Google Cloud or a local cloud."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.google_client import Connection, Json, execute
from infra.settings import LOCAL_TOKEN
from infra.stacks import Stack


@dataclass(frozen=True)
class Api:
    """An API: its version, the stack setting of its address, and what google-api-python-client adds by itself."""

    version: str
    setting: str
    added: str = r"v\d(beta\d)?/?$"  # cut off the setting's end: the paths of the API's methods begin with it
    path: str = ""


APIS = {
    "aiplatform": Api("v1", "vertexAi"),
    "artifactregistry": Api("v1", "artifactRegistry"),
    "cloudbuild": Api("v1", "cloudBuild"),
    "cloudkms": Api("v1", "kms"),
    "compute": Api("v1", "compute", added="$", path="compute/v1/"),
    "cloudresourcemanager": Api("v3", "resourceManagerV3"),
    "iam": Api("v1", "iamBeta"),
    "notebooks": Api("v2", "workbench"),
    "serviceusage": Api("v1", "serviceUsage"),
    "storage": Api("v1", "storage", added="$", path="storage/v1/"),
}


def connection_to(stack: Stack, api: str, version: str = "") -> Connection:
    """Return the connection to one of the APIs, for the stack's project and region."""
    known = APIS[api]
    region = str(stack.config.get("gcp:region", ""))
    host = f"{region}-aiplatform" if api == "aiplatform" else api
    custom = str(stack.config.get(f"gcp:{known.setting}CustomEndpoint") or "")
    endpoint = re.sub(known.added, "", custom) or f"https://{host}.googleapis.com/{known.path}"
    token = LOCAL_TOKEN if stack.local_url else None
    return Connection(str(stack.config["gcp:project"]), region, endpoint, token, api, version or known.version)


def every(connection: Connection, collection: Any, items: str, **query: Any) -> Iterator[Json]:
    """List a collection to its end, page by page; `items` is the answer's field that has them."""
    request = collection.list(**query)
    while request is not None:
        answer = execute(connection, request, items if items != "items" else f"a list of {connection.project}")
        yield from answer.get(items, [])
        request = collection.list_next(request, answer)
