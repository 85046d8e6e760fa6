"""gcp.iam.WorkloadIdentityPool and its Provider: who outside of Google Cloud may act as an account in it."""

from infra.engine.gcp import settling, validation
from infra.engine.gcp.collection import Collection
from infra.engine.gcp.rest import Cloud
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    Fields,
    Json,
    ResourceType,
    block,
    block_set,
    blocks,
    boolean,
    integer,
    mapping,
    string,
    strings,
)
from infra.engine.providers import Properties

POOLS = "projects/{project}/locations/global"
REMEDY = "A deleted one keeps its id for 30 days: choose another, or undelete and import it"
ALGORITHMS = ("RSA_2048", "RSA_3072", "RSA_4096", "ECDSA_P256", "ECDSA_P384")

ISSUANCE: Fields = {
    "caPools": mapping(),
    "keyAlgorithm": string(COMPUTED, choices=ALGORITHMS),
    "lifetime": string(COMPUTED),
    "rotationWindowPercentage": integer(COMPUTED),
    "useDefaultSharedCa": boolean(),
}

ANCHORS: Fields = {"pemCertificate": string()}
BUNDLE: Fields = {"trustDomain": string(REQUIRED), "trustAnchors": blocks(ANCHORS, REQUIRED)}

POOL_FIELDS: Fields = {
    "workloadIdentityPoolId": string(REQUIRED, NEW, LOCAL, wrong=validation.pool_id),
    "project": PROJECT,
    "attestationRules": blocks({"googleCloudResource": string(REQUIRED)}, LOCAL),
    "deletionPolicy": DELETION,
    "description": string(),
    "disabled": boolean(),
    "displayName": string(),
    "inlineCertificateIssuanceConfig": block(ISSUANCE),
    "inlineTrustConfig": block({"additionalTrustBundles": block_set(BUNDLE, key="trustDomain")}),
    "mode": string(choices=("FEDERATION_ONLY", "TRUST_DOMAIN")),
    "name": string(OUTPUT),
    "state": string(OUTPUT),
}

OIDC: Fields = {
    "issuerUri": string(REQUIRED),
    "allowedAudiences": strings(),
    "jwksJson": string(settle=settling.json_text),
}

TRUST_STORE: Fields = {"trustAnchors": blocks(ANCHORS, REQUIRED), "intermediateCas": blocks(ANCHORS)}

PROVIDER_FIELDS: Fields = {
    "workloadIdentityPoolId": string(REQUIRED, NEW, LOCAL),
    "workloadIdentityPoolProviderId": string(REQUIRED, NEW, LOCAL, wrong=validation.pool_id),
    "project": PROJECT,
    "attributeCondition": string(),
    "attributeMapping": mapping(),
    "aws": block({"accountId": string(REQUIRED)}),
    "deletionPolicy": DELETION,
    "description": string(),
    "disabled": boolean(),
    "displayName": string(),
    "oidc": block(OIDC),
    "saml": block({"idpMetadataXml": string(REQUIRED)}),
    "x509": block({"trustStore": block(TRUST_STORE, REQUIRED)}),
    "name": string(OUTPUT),
    "state": string(OUTPUT),
}


def encode_pool(body: Json) -> Json:
    """Write bundles of certificates as a map by domain."""
    trust = body.get("inlineTrustConfig")
    if not trust:
        return body
    bundles = {item["trustDomain"]: {"trustAnchors": item["trustAnchors"]} for item in trust["additionalTrustBundles"]}
    return body | {"inlineTrustConfig": {"additionalTrustBundles": bundles}}


def decode_pool(body: Json) -> Json:
    """Read bundles of certificates as a list."""
    trust = body.get("inlineTrustConfig")
    if not trust:
        return body
    bundles = [{"trustDomain": key, **item} for key, item in (trust.get("additionalTrustBundles") or {}).items()]
    return body | {"inlineTrustConfig": {"additionalTrustBundles": bundles}}


POOL_COLLECTION = Collection(
    "iamBeta",
    "workloadIdentityPools",
    "workloadIdentityPoolId",
    "workloadIdentityPoolId",
    POOL_FIELDS,
    encode_pool,
    decode_pool,
    parent=POOLS,
)
PROVIDER_COLLECTION = Collection(
    "iamBeta",
    "providers",
    "workloadIdentityPoolProviderId",
    "workloadIdentityPoolProviderId",
    PROVIDER_FIELDS,
    parent=f"{POOLS}/workloadIdentityPools/{{workloadIdentityPoolId}}",
    masks={"oidc": "oidc.allowed_audiences,oidc.issuer_uri,oidc.jwks_json"},
)


def read_pool(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Get the pool and its rules; one that is deleted is gone, though the service keeps it for a while."""
    body = _live(POOL_COLLECTION.read(cloud, identity, known))
    if body is None:
        return None
    rules = cloud.call("GET", f"{POOL_COLLECTION.url(cloud, identity)}:listAttestationRules")
    found = [{"googleCloudResource": rule["googleCloudResource"]} for rule in rules.get("attestationRules", ())]
    return body | ({"attestationRules": found} if found else {})


def read_provider(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Get the provider; one that is deleted is gone, though the service keeps it for a while."""
    return _live(PROVIDER_COLLECTION.read(cloud, identity, known))


def _live(body: Json | None) -> Json | None:
    return None if body is None or body.get("state") == "DELETED" else body


POOL = ResourceType(
    title="Workload identity pool",
    properties=POOL_FIELDS,
    create=POOL_COLLECTION.create,
    read=read_pool,
    update=POOL_COLLECTION.update,
    delete=POOL_COLLECTION.delete,
    identify=POOL_COLLECTION.identify,
    name=lambda state: str(state.get("workloadIdentityPoolId")),
    minutes={"create": 20, "delete": 20, "update": 20},
    standing=POOL_COLLECTION.identity,
    remedy=REMEDY,
)

POOL_PROVIDER = ResourceType(
    title="Workload identity pool provider",
    properties=PROVIDER_FIELDS,
    create=PROVIDER_COLLECTION.create,
    read=read_provider,
    update=PROVIDER_COLLECTION.update,
    delete=PROVIDER_COLLECTION.delete,
    identify=PROVIDER_COLLECTION.identify,
    name=lambda state: str(state.get("workloadIdentityPoolProviderId")),
    minutes={"create": 20, "delete": 20, "update": 20},
    exactly_one=("aws", "oidc", "saml", "x509"),
    standing=PROVIDER_COLLECTION.identity,
    remedy=REMEDY,
)
