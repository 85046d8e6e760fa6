"""The type tokens that the provider serves."""

from collections.abc import Mapping

from infra.engine.gcp.accounts import ACCOUNT
from infra.engine.gcp.buckets import BUCKET
from infra.engine.gcp.endpoints import ENDPOINT
from infra.engine.gcp.firewalls import FIREWALL
from infra.engine.gcp.identity_pools import POOL, POOL_PROVIDER
from infra.engine.gcp.instances import INSTANCE
from infra.engine.gcp.kms import CRYPTO_KEY, KEY_RING
from infra.engine.gcp.members import ACCOUNT_MEMBER, BUCKET_MEMBER, KEY_MEMBER, PROJECT_MEMBER
from infra.engine.gcp.networks import NETWORK, SUBNETWORK
from infra.engine.gcp.objects import OBJECT
from infra.engine.gcp.repositories import REPOSITORY
from infra.engine.gcp.repository_members import REPOSITORY_MEMBER
from infra.engine.gcp.routers import ROUTER, ROUTER_NAT
from infra.engine.gcp.schema import ResourceType
from infra.engine.gcp.service_identities import SERVICE_IDENTITY
from infra.engine.gcp.services import SERVICE

TYPES: Mapping[str, ResourceType] = {
    "gcp:projects/service:Service": SERVICE,
    "gcp:projects/serviceIdentity:ServiceIdentity": SERVICE_IDENTITY,
    "gcp:projects/iAMMember:IAMMember": PROJECT_MEMBER,
    "gcp:serviceaccount/account:Account": ACCOUNT,
    "gcp:serviceaccount/iAMMember:IAMMember": ACCOUNT_MEMBER,
    "gcp:storage/bucket:Bucket": BUCKET,
    "gcp:storage/bucketObject:BucketObject": OBJECT,
    "gcp:storage/bucketIAMMember:BucketIAMMember": BUCKET_MEMBER,
    "gcp:workbench/instance:Instance": INSTANCE,
    "gcp:vertex/aiEndpoint:AiEndpoint": ENDPOINT,
    "gcp:artifactregistry/repository:Repository": REPOSITORY,
    "gcp:kms/keyRing:KeyRing": KEY_RING,
    "gcp:kms/cryptoKey:CryptoKey": CRYPTO_KEY,
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": KEY_MEMBER,
    "gcp:compute/network:Network": NETWORK,
    "gcp:compute/subnetwork:Subnetwork": SUBNETWORK,
    "gcp:compute/firewall:Firewall": FIREWALL,
    "gcp:compute/router:Router": ROUTER,
    "gcp:compute/routerNat:RouterNat": ROUTER_NAT,
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": POOL,
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": POOL_PROVIDER,
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": REPOSITORY_MEMBER,
}
