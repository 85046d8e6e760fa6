"""The type tokens that the provider serves."""

from collections.abc import Mapping

from infra.engine.gcp.accounts import ACCOUNT
from infra.engine.gcp.buckets import BUCKET
from infra.engine.gcp.endpoints import ENDPOINT
from infra.engine.gcp.instances import INSTANCE
from infra.engine.gcp.members import ACCOUNT_MEMBER, BUCKET_MEMBER, PROJECT_MEMBER
from infra.engine.gcp.objects import OBJECT
from infra.engine.gcp.repositories import REPOSITORY
from infra.engine.gcp.schema import ResourceType
from infra.engine.gcp.services import SERVICE

TYPES: Mapping[str, ResourceType] = {
    "gcp:projects/service:Service": SERVICE,
    "gcp:projects/iAMMember:IAMMember": PROJECT_MEMBER,
    "gcp:serviceaccount/account:Account": ACCOUNT,
    "gcp:serviceaccount/iAMMember:IAMMember": ACCOUNT_MEMBER,
    "gcp:storage/bucket:Bucket": BUCKET,
    "gcp:storage/bucketObject:BucketObject": OBJECT,
    "gcp:storage/bucketIAMMember:BucketIAMMember": BUCKET_MEMBER,
    "gcp:workbench/instance:Instance": INSTANCE,
    "gcp:vertex/aiEndpoint:AiEndpoint": ENDPOINT,
    "gcp:artifactregistry/repository:Repository": REPOSITORY,
}
