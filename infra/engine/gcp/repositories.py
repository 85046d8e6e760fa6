"""gcp.artifactregistry.Repository: where the serving image lies."""

from infra.engine.gcp import settling
from infra.engine.gcp.collection import Collection
from infra.engine.gcp.repository_table import REPOSITORY_FIELDS
from infra.engine.gcp.rest import Cloud
from infra.engine.gcp.schema import Json, ResourceType
from infra.engine.providers import UNKNOWN, Properties


def encode(body: Json) -> Json:
    """Write cleanup policies as a map by id, their durations in seconds."""
    policies = body.pop("cleanupPolicies", [])
    return body | {"cleanupPolicies": {policy["id"]: _policy(policy) for policy in policies}}


def _policy(policy: Json) -> Json:
    condition = policy.get("condition")
    if not condition:
        return policy
    spans = {key: f"{settling.seconds(condition[key])}s" for key in ("olderThan", "newerThan") if condition.get(key)}
    return policy | {"condition": condition | spans}


def decode(body: Json) -> Json:
    """Read cleanup policies as a list, and the last part of the name."""
    policies = body.get("cleanupPolicies") or {}
    return {
        **body,
        "name": body["name"].rsplit("/", 1)[1],
        "cleanupPolicies": [{**policy, "id": key} for key, policy in sorted(policies.items())],
    }


COLLECTION = Collection(
    "artifactRegistry", "repositories", "repositoryId", "repository_id", REPOSITORY_FIELDS, encode, decode
)


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Create the repository, in the provider's region where none is given."""
    if wanted.get("location") in (None, UNKNOWN):
        wanted["location"] = cloud.settings.get("region")
    return COLLECTION.create(cloud, wanted)


REPOSITORY = ResourceType(
    title="Repository",
    properties=REPOSITORY_FIELDS,
    create=create,
    read=COLLECTION.read,
    update=COLLECTION.update,
    delete=COLLECTION.delete,
    identify=COLLECTION.identify,
    name=lambda state: str(state.get("repositoryId")),
    minutes={"create": 20, "delete": 20, "update": 20},
    standing=COLLECTION.identity,
    remedy="Choose another repository_id, or import it: python -m infra.engine import",
)
