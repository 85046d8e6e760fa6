"""Every property of gcp.storage.Bucket: Terraform's google_storage_bucket, schema version 4."""

from infra.engine.gcp import settling, validation
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LABELS,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    UNREAD,
    Fields,
    block,
    blocks,
    boolean,
    integer,
    long,
    mapping,
    set_block,
    string,
    string_set,
    strings,
)

ENFORCEMENT: Fields = {"restrictionMode": string(REQUIRED), "effectiveTime": string(OUTPUT)}

CONDITION: Fields = {
    "age": integer(),
    "createdBefore": string(),
    "customTimeBefore": string(),
    "daysSinceCustomTime": integer(),
    "daysSinceNoncurrentTime": integer(),
    "matchesPrefixes": strings(tf="matches_prefix"),
    "matchesStorageClasses": strings(tf="matches_storage_class"),
    "matchesSuffixes": strings(tf="matches_suffix"),
    "noncurrentTimeBefore": string(),
    "numNewerVersions": integer(),
    "sendAgeIfZero": boolean(UNREAD),
    "sendDaysSinceCustomTimeIfZero": boolean(UNREAD),
    "sendDaysSinceNoncurrentTimeIfZero": boolean(UNREAD),
    "sendNumNewerVersionsIfZero": boolean(UNREAD),
    "sizeAboveBytes": integer(),
    "sizeBelowBytes": integer(),
    "withState": string(COMPUTED, choices=("LIVE", "ARCHIVED", "ANY")),
}

RULE: Fields = {
    "action": set_block({"type": string(REQUIRED), "storageClass": string()}, REQUIRED),
    "condition": set_block(CONDITION, REQUIRED),
}

CORS: Fields = {
    "maxAgeSeconds": integer(),
    "methods": strings(tf="method"),
    "origins": strings(tf="origin"),
    "responseHeaders": strings(tf="response_header"),
}

ENCRYPTION: Fields = {
    "defaultKmsKeyName": string(),
    "customerManagedEncryptionEnforcementConfig": block(ENFORCEMENT, COMPUTED),
    "customerSuppliedEncryptionEnforcementConfig": block(ENFORCEMENT, COMPUTED),
    "googleManagedEncryptionEnforcementConfig": block(ENFORCEMENT, COMPUTED),
}

IP_FILTER: Fields = {
    "mode": string(REQUIRED, choices=("Enabled", "Disabled")),
    "allowAllServiceAgentAccess": boolean(),
    "allowCrossOrgVpcs": boolean(),
    "publicNetworkSource": block({"allowedIpCidrRanges": strings(REQUIRED)}),
    "vpcNetworkSources": blocks({"allowedIpCidrRanges": strings(REQUIRED), "network": string(REQUIRED)}),
}

BUCKET_FIELDS: Fields = {
    "name": string(NEW, wrong=validation.bucket_name),
    "location": string(REQUIRED, NEW, store=str.upper),
    "project": PROJECT,
    **LABELS,
    "labels": mapping(LOCAL, wrong=validation.bucket_labels),
    "autoclass": block(
        {"enabled": boolean(REQUIRED), "terminalStorageClass": string(COMPUTED)}, settle=settling.off_is_absent
    ),
    "cors": blocks(CORS),
    "customPlacementConfig": block({"dataLocations": string_set(REQUIRED, NEW, store=str.upper)}),
    "defaultEventBasedHold": boolean(),
    "deletionPolicy": DELETION,
    "enableObjectRetention": boolean(NEW),
    "encryption": block(ENCRYPTION),
    "forceDestroy": boolean(LOCAL, fallback=False),
    "hierarchicalNamespace": block({"enabled": boolean(REQUIRED, NEW)}, NEW, settle=settling.off_is_absent),
    "ipFilter": block(IP_FILTER, settle=settling.filter_off),
    "lifecycleRules": blocks(RULE, tf="lifecycle_rule"),
    "logging": block({"logBucket": string(REQUIRED), "logObjectPrefix": string(COMPUTED)}),
    "publicAccessPrevention": string(COMPUTED, missing=None),
    "requesterPays": boolean(),
    "retentionPolicy": block(
        {"retentionPeriod": string(REQUIRED), "isLocked": boolean(fallback=False, forces=settling.unlocked)}
    ),
    "rpo": string(COMPUTED, missing=None),
    "softDeletePolicy": block(
        {"retentionDurationSeconds": long(default=604800), "effectiveTime": string(OUTPUT)}, COMPUTED
    ),
    "storageClass": string(default="STANDARD"),
    "uniformBucketLevelAccess": boolean(COMPUTED),
    "versioning": block({"enabled": boolean(REQUIRED)}, COMPUTED),
    "website": block(
        {
            "mainPageSuffix": string(settle=settling.kept_when_empty),
            "notFoundPage": string(settle=settling.kept_when_empty),
        },
        COMPUTED,
    ),
    "projectNumber": long(OUTPUT),
    "selfLink": string(OUTPUT),
    "timeCreated": string(OUTPUT),
    "updated": string(OUTPUT),
    "url": string(OUTPUT),
}
